//! The load: kept connections that send a request as soon as the last one is answered.
//!
//! A round is only worth something where every answer is what was asked for, so anything else
//! than a success of the right length ends the run. What the client knows of HTTP is in `answer`,
//! what it knows of bolt in `bolt`.

mod answer;
pub(crate) mod bolt;

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::measure::Scenario;

/// Longest wait for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// What a connection reads into at first.
const BUFFER_BYTES: usize = 16 * 1024;

/// One kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The head of an answer, of which the body was read too.
#[derive(Debug)]
pub(crate) struct Answer {
    head: String,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Talk {
    /// HTTP/1.1
    Http,
    /// SOFABolt, version 1.
    Bolt,
}

impl Talk {
    /// A request for an answer of that many bytes.
    pub(crate) fn request(self, bytes: usize) -> Vec<u8> {
        match self {
            Self::Http => request(bytes),
            Self::Bolt => bolt::request(bytes),
        }
    }

    /// The bytes before the body, once the answer is whole.
    fn whole(self, buffer: &[u8], bytes: usize) -> Result<Option<usize>> {
        match self {
            Self::Http => answer::whole(buffer, bytes),
            Self::Bolt => bolt::whole(buffer, bytes),
        }
    }
}

/// A request as a browser's is: twelve fields.
fn request(bytes: usize) -> Vec<u8> {
    format!(
        "GET /{bytes} HTTP/1.1\r\nhost: bench.example\r\nuser-agent: Mozilla/5.0 (X11; Linux \
         x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\naccept: text/html,application/\
         xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\naccept-language: en-GB,en;q=0.7,de;q=0.3\
         \r\naccept-encoding: gzip, deflate, br, zstd\r\nreferer: http://bench.example/start\r\n\
         cookie: session=5d41402abc4b2a76b9719d911017c592; theme=dark\r\ndnt: 1\r\n\
         sec-fetch-dest: document\r\nsec-fetch-mode: navigate\r\nsec-fetch-site: same-origin\r\n\
         cache-control: max-age=0\r\n\r\n"
    )
    .into_bytes()
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(BUFFER_BYTES) })
    }

    /// Sends a request and checks the answer.
    pub(crate) async fn ask(&mut self, request: &[u8], scenario: &Scenario) -> Result<Answer> {
        match timeout(ANSWER_MAX, self.exchange(request, scenario)).await {
            Ok(answer) => answer,
            Err(_elapsed) => bail!("no answer within {ANSWER_MAX:?}"),
        }
    }

    async fn exchange(&mut self, request: &[u8], scenario: &Scenario) -> Result<Answer> {
        let head_bytes = self.exchange_raw(request, scenario).await?;
        let head = self.buffer.get(..head_bytes).unwrap_or_default();
        Ok(Answer { head: String::from_utf8_lossy(head).into_owned() })
    }

    /// As [`Connection::ask`], without a timer and without a copy of the head.
    async fn exchange_raw(&mut self, request: &[u8], scenario: &Scenario) -> Result<usize> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        loop {
            let count = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(count > 0, "the connection was closed");
            if let Some(head_bytes) = scenario.talk.whole(&self.buffer, scenario.bytes)? {
                return Ok(head_bytes);
            }
        }
    }
}

impl Answer {
    /// True where the head has this field, whatever its value.
    pub(crate) fn has_field(&self, name: &str) -> bool {
        let named = |line: &str| {
            line.split_once(':').is_some_and(|(field, _)| field.eq_ignore_ascii_case(name))
        };
        self.head.lines().any(named)
    }
}

/// Connections that are open and have been answered once.
#[derive(Debug)]
pub(crate) struct Load {
    connections: Vec<Connection>,
    scenario: &'static Scenario,
}

impl Load {
    /// Opens the connections.
    pub(crate) async fn open(
        address: SocketAddr,
        connections: u16,
        scenario: &'static Scenario,
    ) -> Result<Self> {
        let request = scenario.request();
        let mut open = Vec::new();
        for _ in 0..connections {
            let mut connection = Connection::open(address).await?;
            connection.ask(&request, scenario).await?;
            open.push(connection);
        }
        Ok(Self { connections: open, scenario })
    }

    /// Asks on all connections for some time; returns how many answers came.
    pub(crate) async fn run(&mut self, time: Duration) -> Result<u64> {
        let until = Instant::now() + time;
        let mut tasks = JoinSet::new();
        for connection in self.connections.drain(..) {
            tasks.spawn(ask_until(until, connection, self.scenario));
        }
        let all = async {
            let mut sum = 0;
            while let Some(ended) = tasks.join_next().await {
                let (connection, answers) = ended.context("a load task failed")??;
                self.connections.push(connection);
                sum += answers;
            }
            anyhow::Ok(sum)
        };
        match timeout(time + ANSWER_MAX, all).await {
            Ok(sum) => sum,
            Err(_elapsed) => bail!("an answer did not come within {ANSWER_MAX:?}"),
        }
    }
}

async fn ask_until(
    until: Instant,
    mut connection: Connection,
    scenario: &Scenario,
) -> Result<(Connection, u64)> {
    let request = scenario.request();
    let mut answers = 0;
    while Instant::now() < until {
        connection.exchange_raw(&request, scenario).await?;
        answers += 1;
    }
    Ok((connection, answers))
}

#[cfg(test)]
mod tests;
