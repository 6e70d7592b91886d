use super::{DATA, OUT, OUT_LEN, call, function, import, run};
use crate::testing::{LOG, Rig, SAY, fault, guest};

/// A guest that asks for a header value, with an allocator of its own.
fn with_allocator(imports: &str, allocator: &str) -> Rig {
    let value = function("proxy_get_header_map_value");
    let hook = format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $say (i32.add (i32.const 65) {})) (i32.const 0))"#,
        call(value, &[0, 100, 5, OUT, OUT_LEN])
    );
    let text = format!(
        r#"(module {LOG} {imports} {} {SAY} {DATA} {hook}
          (func (export "proxy_abi_version_0_2_0"))
          (memory (export "memory") 1)
          (func $malloc (export "proxy_on_memory_allocate") (param i32) (result i32)
            {allocator}))"#,
        import("env", value)
    );
    Rig::new(&wat::parse_str(text).expect("a valid module"))
}

#[test]
fn what_an_allocator_answers_is_checked() {
    for garbage in ["0", "-1", "65533", "0x7fffffff"] {
        let rig = with_allocator("", &format!("(i32.const {garbage})"));
        assert_eq!(run(&rig), "G", "{garbage}");
    }
    assert_eq!(run(&with_allocator("", "(i32.const 65531)")), "A");
    let rig = with_allocator("", "unreachable");
    let (mut filter, stream) = rig.filter();
    let fault = fault(filter.on_request_headers(&stream, true));
    assert!(fault.message.contains("at malloc < "), "{fault}");
}

#[test]
fn an_allocator_may_log_and_nothing_else() {
    let imports = r#"
      (import "env" "proxy_get_header_map_value"
        (func $again (param i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
      (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock (param i32 i64 i32) (result i32)))"#;
    let allocator = "
      (call $say (i32.add (i32.const 65) (call $again
        (i32.const 0) (i32.const 100) (i32.const 5) (i32.const 200) (i32.const 204))))
      (call $say (i32.add (i32.const 65) (call $continue (i32.const 0))))
      (call $say (i32.add (i32.const 65) (call $clock (i32.const 1) (i64.const 0) (i32.const 300))))
      (i32.const 1000)";
    assert_eq!(run(&with_allocator(imports, allocator)), "KKAA");
}

#[test]
fn while_a_guest_starts_it_may_log_and_nothing_else() {
    let property = function("proxy_get_property");
    let imports = format!("{LOG} {}", import("env", property));
    let section = format!(
        "(func $section (call $say (i32.add (i32.const 65) {}))) (start $section)",
        call(property, &[160, 14, OUT, OUT_LEN])
    );
    let rig = Rig::new(&guest(&imports, &format!("{SAY} {DATA} {section}")));
    assert!(rig.start(b"").is_ok());
    assert_eq!(rig.host.said(), "K");
}

/// A guest whose request hook makes a call that hands values over, with an allocator of its
/// own that is given `$again`, the same call.
fn hands_over(name: &str, args: &[u32], allocator: &str) -> Rig {
    let function = function(name);
    let import = import("env", function).replace("$f", "$again");
    let again = call(function, args).replace("$f", "$again");
    let text = format!(
        r#"(module {LOG} {import} {SAY} {DATA}
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $say (i32.add (i32.const 65) {again})) (i32.const 0))
          (func (export "proxy_abi_version_0_2_0"))
          (memory (export "memory") 1)
          (func $malloc (export "malloc") (param i32) (result i32)
            {}))"#,
        allocator.replace("AGAIN", &format!("(call $say (i32.add (i32.const 65) {again}))"))
    );
    let rig = Rig::new(&wat::parse_str(text).expect("a valid module"));
    let host = &rig.host.beside;
    host.set_shared_data("guest", b"x-one", b"value", 0).expect("room");
    let (queue, _place) =
        host.register_queue("guest", b"q", std::rc::Rc::new(|_queue| {})).expect("a queue");
    host.enqueue(queue, b"one").expect("room");
    host.enqueue(queue, b"two").expect("room");
    rig
}

#[test]
fn no_allocator_does_harm_to_calls_that_hand_several_values_over() {
    let calls: [(&str, &[u32]); 4] = [
        ("proxy_get_shared_data", &[100, 5, OUT, OUT_LEN, 208]),
        ("proxy_dequeue_shared_queue", &[1, OUT, OUT_LEN]),
        ("proxy_call_foreign_function", &[190, 7, 110, 5, OUT, OUT_LEN]),
        ("proxy_get_property", &[120, 12, OUT, OUT_LEN]),
    ];
    for (name, args) in calls {
        // What is given is written where the guest says, on top of anything of its own.
        assert_eq!(run(&hands_over(name, args, "(i32.const 200)")), "A", "{name}");
        for garbage in ["0", "-1", "65534"] {
            let rig = hands_over(name, args, &format!("(i32.const {garbage})"));
            assert_eq!(run(&rig), "G", "{name} {garbage}");
        }
        // It grows the memory that the value goes to.
        let grows = "(i32.mul (memory.grow (i32.const 1)) (i32.const 65536))";
        assert_eq!(run(&hands_over(name, args, grows)), "A", "{name}");
        // It calls the host, which refuses.
        assert_eq!(run(&hands_over(name, args, "AGAIN (i32.const 1000)")), "KA", "{name}");
        let (mut filter, stream) = hands_over(name, args, "unreachable").filter();
        let fault = fault(filter.on_request_headers(&stream, true));
        assert!(fault.message.contains("malloc"), "{name} {fault}");
    }
}
