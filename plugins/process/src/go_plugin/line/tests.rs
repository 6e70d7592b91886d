use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

async fn read(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), GoPluginError> {
    let mut stdout = BufReader::with_capacity(7, bytes);
    let line = first(&mut stdout, Instant::now() + TIMEOUT, TIMEOUT).await?;
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).await.unwrap();
    Ok((line, rest))
}

async fn refusal(bytes: &[u8]) -> String {
    read(bytes).await.unwrap_err().to_string()
}

#[tokio::test]
async fn one_line_is_read_and_nothing_behind_it() {
    let (line, rest) = read(b"the first line\nthe second\nand more").await.unwrap();
    assert_eq!(
        (line.as_slice(), rest.as_slice()),
        (b"the first line\n".as_slice(), b"the second\nand more".as_slice())
    );
    assert_eq!(read(b"\n").await.unwrap(), (b"\n".to_vec(), Vec::new()));
}

#[tokio::test]
async fn an_output_that_ends_is_told_with_what_came() {
    let nothing =
        "its standard output ended without a handshake: is the cookie the one that it knows?";
    assert_eq!(refusal(b"").await, nothing);
    let half = "its standard output ended without a handshake, it printed `1|1|un`";
    assert_eq!(refusal(b"1|1|un").await, half);
}

#[tokio::test]
async fn a_line_is_read_to_its_limit_and_no_further() {
    let mut line = vec![b'x'; LINE_BYTES_MAX - 1];
    line.push(b'\n');
    assert_eq!(read(&line).await.unwrap().0.len(), LINE_BYTES_MAX);
    line.insert(0, b'x');
    assert!(refusal(&line).await.contains("a line of more than 16384 bytes, it printed `xxx"));
}

#[tokio::test(start_paused = true)]
async fn a_line_that_drips_does_not_move_the_deadline() {
    let (mut child, stdout) = duplex(64);
    let mut stdout = BufReader::new(stdout);
    let begun = Instant::now();
    let drip = async {
        let mut drops = tokio::time::interval(Duration::from_secs(3));
        loop {
            drops.tick().await;
            child.write_all(b"1").await.unwrap();
        }
    };
    let error = tokio::select! {
        outcome = first(&mut stdout, begun + TIMEOUT, TIMEOUT) => outcome.unwrap_err(),
        () = drip => unreachable!("it drips for ever"),
    };
    assert_eq!(error.to_string(), "it printed no handshake within 10s, it printed `1111`");
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[test]
fn times_are_shown_in_tenths() {
    for (time, expect) in
        [(4_994_640_967, "5s"), (1_500_000_000, "1.5s"), (1_000_000, "100ms"), (0, "0ns")]
    {
        assert_eq!(format!("{:?}", rounded(Duration::from_nanos(time))), expect);
    }
}
