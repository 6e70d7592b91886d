//! The header, compiled, and the tables here have the same layout.

use std::{fmt::Write, fs, mem::offset_of, path::Path};

use super::{
    ABI_BYTES, Bytes, CodecProfile, Field, Fields, Frame, HOST_BYTES, HOST_BYTES_MIN, Handle, Host,
    HttpAnswer, HttpRequest, PLUGIN_BYTES, PLUGIN_BYTES_MIN, Plugin, Rejection, Response, Rewrite,
};

macro_rules! fields {
    ($type:ident, $name:literal: $($field:ident)*) => {
        [$(($name, stringify!($field), offset_of!($type, $field))),*]
    };
}

fn offsets() -> Vec<(&'static str, &'static str, usize)> {
    let mut all = Vec::new();
    all.extend(fields!(Bytes, "mortise_bytes": data length));
    all.extend(fields!(Field, "mortise_field": name value));
    all.extend(fields!(Fields, "mortise_fields": data count));
    all.extend(fields!(Handle, "mortise_handle": host));
    all.extend(fields!(Response, "mortise_response":
        size status fields body grpc_status reserved details));
    all.extend(fields!(HttpRequest, "mortise_http_request": size timeout_ms cluster fields body));
    all.extend(fields!(HttpAnswer, "mortise_http_answer": size reserved headers body trailers));
    all.extend(fields!(Frame, "mortise_frame":
        size kind id length id_offset id_width id_little_endian service method flags timeout_ms
        status http_status fields attributes body_start body_length malformed));
    all.extend(fields!(Rewrite, "mortise_rewrite":
        size kind old_id id flags reserved raw fields body));
    all.extend(fields!(Rejection, "mortise_rejection":
        size status id request message fields body));
    all.extend(fields!(CodecProfile, "mortise_codec_profile":
        size pool id_width flags default_timeout_ms reserved));
    all.extend(fields!(Host, "mortise_host":
        size major minor features field fields write_field replace_fields body splice_body data
        splice_data property set_property respond resume resume_flow reset close http_call
        set_tick_period shared_data set_shared_data register_queue resolve_queue enqueue dequeue
        define_metric record_metric increment_metric metric log now fail
        codec_frame codec_rest codec_bytes));
    all.extend(fields!(Plugin, "mortise_plugin":
        size major minor features name version sdk phases reserved instance_new instance_free
        stream_new stream_free request_headers request_body request_trailers response_headers
        response_body response_trailers stream_complete stream_http_answer connection_new
        connection_free new_connection data close connection_complete connection_http_answer tick
        queue_ready http_answer codec_profile codec_new codec_free codec_detect codec_decode
        codec_encode codec_heartbeat codec_heartbeat_reply codec_reject codec_go_away));
    all
}

fn source() -> String {
    let mut source = String::from("#include \"mortise.h\"\nMORTISE_PLUGIN_ABI;\n");
    for (table, field, offset) in offsets() {
        let truth = format!("offsetof({table}, {field}) == {offset}");
        writeln!(source, "MORTISE_ASSERT({truth}, \"{table}.{field}\");").expect("a string");
    }
    let sizes = [
        ("mortise_abi", ABI_BYTES),
        ("mortise_bytes", size_of::<Bytes>()),
        ("mortise_field", size_of::<Field>()),
        ("mortise_fields", size_of::<Fields>()),
        ("mortise_handle", size_of::<Handle>()),
        ("mortise_response", size_of::<Response>()),
        ("mortise_http_request", size_of::<HttpRequest>()),
        ("mortise_http_answer", size_of::<HttpAnswer>()),
        ("mortise_frame", size_of::<Frame>()),
        ("mortise_rewrite", size_of::<Rewrite>()),
        ("mortise_rejection", size_of::<Rejection>()),
        ("mortise_codec_profile", size_of::<CodecProfile>()),
        ("mortise_host", size_of::<Host>()),
        ("mortise_plugin", size_of::<Plugin>()),
    ];
    for (name, size) in sizes {
        writeln!(source, "MORTISE_ASSERT(sizeof({name}) == {size}, \"{name}\");")
            .expect("a string");
    }
    source
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test that asks the C compiler")]
fn the_header_says_the_same_to_a_c_and_a_cpp_compiler() {
    let folder = tempfile::tempdir().expect("a folder");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    for (compiler, standard, name) in
        [("cc", "-std=c11", "table.c"), ("c++", "-std=c++17", "table.cpp")]
    {
        let file = folder.path().join(name);
        fs::write(&file, source()).expect("written");
        let mut command = std::process::Command::new(compiler);
        command.args([standard, "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-I"]);
        match command.arg(&include).arg(&file).output() {
            Ok(done) => {
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            }
            Err(error) => eprintln!("SKIPPED: there is no `{compiler}` here: {error}"),
        }
    }
}

#[test]
fn every_table_begins_with_what_is_read_first() {
    assert_eq!((offset_of!(Host, size), offset_of!(Plugin, size)), (0, 0));
    assert_eq!((offset_of!(Host, major), offset_of!(Plugin, major)), (4, 4));
    assert!(HOST_BYTES as usize >= HOST_BYTES_MIN && PLUGIN_BYTES as usize > PLUGIN_BYTES_MIN);
}
