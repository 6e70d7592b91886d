//! Right frames of all protocols, which are then damaged.

use host_codec::BuiltinCodec;

/// What inputs of a codec are made of.
#[derive(Clone)]
pub(crate) struct Seeds {
    pub(crate) frames: Vec<Vec<u8>>,
    /// Some that are large, of the kinds that take long.
    pub(crate) large: Vec<Vec<u8>>,
    /// Sets the length of a frame right.
    pub(crate) repair: fn(&mut [u8]),
}

/// The frames of a codec.
pub(crate) fn of(codec: BuiltinCodec) -> Seeds {
    match codec {
        BuiltinCodec::Bolt(_) => bolt(),
        BuiltinCodec::Dubbo => dubbo(),
        BuiltinCodec::DubboThrift => dubbo_thrift(),
        BuiltinCodec::Tars => tars(),
    }
}

fn put(frame: &mut [u8], place: usize, length: usize) {
    if let Some(bytes) = frame.get_mut(place..place + 4) {
        bytes.copy_from_slice(&of_four(length));
    }
}

/// A length in four bytes.
fn of_four(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a length of four bytes").to_be_bytes()
}

/// A length in two bytes.
fn of_two(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("a length of two bytes").to_be_bytes()
}

/// A length in one byte.
fn of_one(length: usize) -> u8 {
    u8::try_from(length).expect("a length of one byte")
}

fn bolt_pairs(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        block.extend_from_slice(&of_four(text.len()));
        block.extend_from_slice(text.as_bytes());
    }
    block
}

/// A frame of bolt: `head` up to the lengths, then the parts.
fn bolt_frame(head: &[u8], class: &[u8], block: &[u8], content: &[u8]) -> Vec<u8> {
    let mut frame = head.to_vec();
    frame.extend_from_slice(&of_two(class.len()));
    frame.extend_from_slice(&of_two(block.len()));
    frame.extend_from_slice(&of_four(content.len()));
    frame.extend_from_slice(&[class, block, content].concat());
    frame
}

fn bolt() -> Seeds {
    let class = b"com.alipay.sofa.rpc.core.request.SofaRequest";
    let block = bolt_pairs(&[
        ("sofa_head_target_service", "com.demo.Echo:1.0"),
        ("sofa_head_method_name", "say"),
        ("a", "b"),
        ("rpc_trace_context.sofaRpcId", "0"),
    ]);
    let names: Vec<String> = (0..1000).map(|number| format!("name{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "value")).collect();
    let many = bolt_pairs(&many);
    let request = b"\x01\x01\x00\x01\x01\x00\x00\x00\x2a\x01\x00\x00\x0b\xb8";
    let response = b"\x01\x00\x00\x02\x01\x00\x00\x00\x2a\x01\x00\x00";
    let one_way = b"\x01\x02\x00\x01\x01\x00\x00\x00\x2a\x01\xff\xff\xff\xff";
    let newer = b"\x02\x01\x01\x00\x01\x01\x00\x00\x00\x2b\x01\x00\x00\x00\x0b\xb8";
    let newer_response = b"\x02\x01\x00\x00\x02\x01\x00\x00\x00\x2b\x01\x00\x00\x07";
    let mut absent = block.clone();
    absent.extend_from_slice(b"\x00\x00\x00\x01k\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x01v");
    let frames = vec![
        bolt_frame(request, class, &block, b"content"),
        bolt_frame(request, class, &absent, b""),
        bolt_frame(response, class, &bolt_pairs(&[("a", "b")]), b"content"),
        bolt_frame(one_way, class, &block, b"content"),
        bolt_frame(newer, class, &block, b"content"),
        bolt_frame(newer_response, class, b"", b"content"),
        // A sum that is right as long as nothing is changed.
        [SUMMED, &crc32fast::hash(SUMMED).to_be_bytes()].concat(),
        b"\x01\x01\x00\x00\x01\x00\x00\x00\x05\x01\xff\xff\xff\xff\0\0\0\0\0\0\0\0".to_vec(),
        b"\x01\x00\x00\x00\x01\x00\x00\x00\x05\x01\0\0\0\0\0\0\0\0\0\0".to_vec(),
        b"\x01\x01\x00\x64\x01\x00\x00\x00\x05\x01\xff\xff\xff\xff\0\0\0\0\0\0\0\0".to_vec(),
    ];
    let large = vec![
        bolt_frame(request, class, &many, b"content"),
        bolt_frame(request, class, &block, &vec![7; 256 * 1024]),
    ];
    Seeds { frames, large, repair: repair_bolt }
}

/// A frame that ends with a sum, without it.
const SUMMED: &[u8] = b"\x02\x02\x01\x00\x01\x01\x00\x00\x00\x2b\x01\x01\x00\x00\x00\x64\
    \x00\x00\x00\x00\x00\x00\x00\x01x";

/// Sets the length of the content so that it ends where the frame does, and the sum behind it.
fn repair_bolt(frame: &mut [u8]) {
    let is_newest = matches!(frame, [2, version, ..] if *version > 1);
    let has_sum = is_newest && frame.get(11).is_some_and(|byte| byte & 1 == 1);
    match frame.len().checked_sub(4).filter(|_length| has_sum) {
        Some(length) => {
            let (summed, sum) = frame.split_at_mut(length);
            repair_bolt_content(summed);
            sum.copy_from_slice(&crc32fast::hash(summed).to_be_bytes());
        }
        None => repair_bolt_content(frame),
    }
}

fn repair_bolt_content(frame: &mut [u8]) {
    let lengths = match (frame.first(), frame.get(1), frame.get(2)) {
        (Some(1), Some(0), _) => 12,
        (Some(1), Some(_), _) => 14,
        (Some(_), _, Some(0)) => 14,
        _ => 16,
    };
    let short = |place: usize| match frame.get(place..place + 2) {
        Some(&[high, low]) => usize::from(high) << 8 | usize::from(low),
        _ => 0,
    };
    let parts = short(lengths) + short(lengths + 2);
    if let Some(content) = frame.len().checked_sub(lengths + 8 + parts) {
        put(frame, lengths + 4, content);
    }
}

fn dubbo_frame(flags: u8, status: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xda, 0xbb, flags, status, 0, 0, 0, 0, 0, 0, 0, 7];
    frame.extend_from_slice(&of_four(payload.len()));
    frame.extend_from_slice(payload);
    frame
}

fn dubbo() -> Seeds {
    let names = b"\x052.0.2\x0dcom.demo.Echo\x051.0.0\x03say";
    let call = |rest: &[&[u8]]| [&names[..], &rest.concat()].concat();
    let attachments = b"H\x04path\x0dcom.demo.Echo\x05group\x01g\x07timeout\x041500\x01a\x01bZ";
    let mixed = b"M\x13java.util.LinkedMap\x01a\x01b\x01n\xc8\x30\x03_TO\x5e\x03\xe8\x01m\
        H\x01x\x7a\x90\x91Z\x01r\x51\x91\x01eNZ";
    let object = b"C\x0ccom.demo.Car\x92\x05color\x05model\x60\x03red\x02x1";
    let types = b"\x30\x26Lcom/demo/Car;[Ljava/lang/Object;IJZBD";
    let values = b"V\x07[object\x93\x60\x04blue\x02x2Q\x90\x4a\x00\x00\x00\xd0\x4b\x92\x84\xb8\
        \x91\xe1T\x90D\x40\x28\x80\x00\x00\x00\x00\x00";
    let text = "R\x00\x03h\u{e9}\u{4e2d}\x02\u{f0}x".as_bytes();
    let frames = vec![
        dubbo_frame(0xc2, 0, &call(&[b"\x12Ljava/lang/String;", b"\x02hi", attachments])),
        dubbo_frame(0xc2, 0, &call(&[types, object, values, mixed])),
        dubbo_frame(0x82, 0, &call(&[b"\x12Ljava/lang/String;", text, b"N"])),
        dubbo_frame(0xc2, 0, &call(&[b"\x00", mixed])),
        dubbo_frame(0x02, 20, b"\x91\x02hi"),
        dubbo_frame(0x02, 20, b"\x95H\x05dubbo\x052.0.2\x01a\x01bZ"),
        dubbo_frame(
            0x02,
            20,
            &[&b"\x94"[..], object, b"H\x01a\x02\xed\xa0\xbd\xed\xb8\x80Z"].concat(),
        ),
        dubbo_frame(0x02, 20, b"\x93C\x01e\x91\x01m\x60\x02noHZ"),
        dubbo_frame(0x02, 70, b"\x02no"),
        dubbo_frame(0xe2, 0, b"N"),
        dubbo_frame(0x22, 20, b"N"),
        dubbo_frame(0xa2, 0, b"\x01R"),
        dubbo_frame(0xe6, 0, b"null\n"),
        dubbo_frame(0xc6, 0, b"\"2.0.2\"\n\"com.demo.Echo\"\n\"1.0\"\n\"say\"\n\"I\"\n1\n{}\n"),
        dubbo_frame(0xc8, 0, b"\x80\x81\x82"),
    ];
    let pair = |number: u16| format!("\x08name{number:04}\x05value");
    let pairs: Vec<u8> = (0..1000).flat_map(|number| pair(number).into_bytes()).collect();
    let deep = [vec![b'W'; 1000], vec![b'Z'; 1000]].concat();
    let large = vec![
        dubbo_frame(0xc2, 0, &call(&[b"\x00H", &pairs, b"Z"])),
        dubbo_frame(0xc2, 0, &call(&[b"\x12Ljava/lang/Object;", &deep, attachments])),
        dubbo_frame(0xc2, 0, &call(&[b"\x02[Z", b"X\xd5\x00\x00", &[b'T'; 0x10000], attachments])),
        dubbo_frame(0xc2, 0, &call(&[b"\x33\xff", &[b'I'; 1023], &[0x90; 1023], attachments])),
        dubbo_frame(0x02, 20, &[&b"\x94S\xff\xff"[..], &[b'x'; 0xffff], b"HZ"].concat()),
    ];
    Seeds { frames, large, repair: |frame| put(frame, 12, frame.len().saturating_sub(16)) }
}

fn thrift_frame(service: &[u8], message: &[u8]) -> Vec<u8> {
    let mut head = vec![1];
    head.extend_from_slice(&of_four(service.len()));
    head.extend_from_slice(service);
    head.extend_from_slice(&7_u64.to_be_bytes());
    // The magic number, the size of the message, and that of the head with these.
    let head_bytes = 2 + 4 + 2 + head.len();
    let mut frame = vec![0; 4];
    frame.extend_from_slice(b"\xda\xbc");
    frame.extend_from_slice(&of_four(head_bytes + message.len()));
    frame.extend_from_slice(&of_two(head_bytes));
    frame.extend_from_slice(&head);
    frame.extend_from_slice(message);
    repair_thrift(&mut frame);
    frame
}

fn repair_thrift(frame: &mut [u8]) {
    put(frame, 0, frame.len().saturating_sub(4));
    put(frame, 6, frame.len().saturating_sub(4));
}

fn dubbo_thrift() -> Seeds {
    let service = b"com.demo.Echo$Iface";
    let message = |kind: u8, rest: &[u8]| {
        [&[0x80, 1, 0, kind][..], b"\x00\x00\x00\x03say\x00\x00\x00\x07", rest].concat()
    };
    let frames = vec![
        thrift_frame(service, &message(1, b"\x0b\x00\x01\x00\x00\x00\x02hi\x00")),
        thrift_frame(service, &message(2, b"\x0b\x00\x00\x00\x00\x00\x02hi\x00")),
        thrift_frame(
            service,
            &message(3, b"\x0b\x00\x01\x00\x00\x00\x02no\x08\x00\x02\x00\x00\x00\x06\x00"),
        ),
        thrift_frame(service, &message(4, b"\x08\x00\x01\x00\x00\x00\x01\x00")),
        thrift_frame(b"", &message(1, b"\x00")),
    ];
    let large = vec![thrift_frame(service, &message(1, &vec![0x0b; 256 * 1024]))];
    Seeds { frames, large, repair: repair_thrift }
}

/// A string of Tars under a tag below 15.
fn tars_text(tag: u8, text: &[u8]) -> Vec<u8> {
    [&[tag << 4 | 6, of_one(text.len())][..], text].concat()
}

fn tars_map(tag: u8, pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut out = vec![tag << 4 | 8, 0, of_one(pairs.len())];
    for (name, value) in pairs {
        out.extend_from_slice(&tars_text(0, name.as_bytes()));
        out.extend_from_slice(&tars_text(1, value.as_bytes()));
    }
    out
}

fn tars_frame(parts: &[&[u8]]) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend_from_slice(&parts.concat());
    let length = frame.len();
    put(&mut frame, 0, length);
    frame
}

fn tars() -> Seeds {
    let call = |kind: u8, version: u8, body: &[u8]| {
        tars_frame(&[
            &[0x10, version, 0x20, kind, 0x3c, 0x40, 7],
            &tars_text(5, b"Demo.Echo.EchoObj"),
            &tars_text(6, b"say"),
            &[0x7d, 0x00, 0x00, of_one(body.len())],
            body,
            &[0x81, 0x0b, 0xb8],
            &tars_map(9, &[("a", "b"), ("trace", "1")]),
            &tars_map(10, &[("s", "t")]),
        ])
    };
    let answer = |status: &[u8], body: &[u8]| {
        tars_frame(&[
            &[0x10, 1, 0x2c, 0x30, 7, 0x4c],
            status,
            &[0x6d, 0x00, 0x00, of_one(body.len())],
            body,
            &tars_map(7, &[("a", "b")]),
            &tars_text(8, b"said"),
            &tars_map(9, &[("c", "d")]),
        ])
    };
    let frames = vec![
        call(0, 1, b"\x06\x02hi"),
        call(1, 1, b"\x06\x02hi"),
        call(0, 3, b"\x08\x00\x01\x06\x01a\x1d\x00\x00\x01x"),
        answer(&[0x5c], b"\x06\x02hi"),
        answer(&[0x50, 0xf9], b""),
        tars_frame(&[
            &[0x10, 1, 0x2c, 0x3c, 0x40, 7],
            &tars_text(5, b"x"),
            &tars_text(6, b"tars_ping"),
        ]),
    ];
    let deep = [&[0xfa_u8, 0x0f][..].repeat(30)[..], &[0x0b].repeat(30)].concat();
    let large = vec![
        tars_frame(&[
            &[0x10, 1, 0x2c, 0x3c, 0x40, 7],
            &tars_text(5, b"x"),
            &tars_text(6, b"y"),
            &deep,
        ]),
        tars_frame(&[
            &[0x10, 1, 0x2c, 0x3c, 0x40, 7],
            &tars_text(5, b"x"),
            &tars_text(6, b"y"),
            &[0x7d, 0x00, 0x01, 0x20, 0x00],
            &[7; 0x2000],
        ]),
    ];
    Seeds { frames, large, repair: |frame| put(frame, 0, frame.len()) }
}
