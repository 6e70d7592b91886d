//! A case: scripts for the probe, the traffic that drives it, and what must come of it.
//!
//! Most cases are made with [`Case::at`]: it knows what traffic brings about a callback, and
//! which of the probe's scripts that callback runs. Cases are data; nothing here sends
//! anything. Start reading at [`Case`].

use crate::{
    Phase,
    call::{self, Arg, Call},
    exchange::{Exchange, TcpExchange},
    script::{Answer, Step, first},
};

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// `function/callback/what`.
    pub(crate) name: String,
    /// The host function, or the behaviour, that it is about.
    pub(crate) subject: &'static str,
    /// The callback that it is about.
    pub(crate) phase: Phase,
    /// What the probe does in the stream, in its root contexts, and in the context that is
    /// made next.
    pub(crate) stream: Vec<Step>,
    pub(crate) root: Vec<Step>,
    pub(crate) armed: Vec<Step>,
    /// The traffic.
    pub(crate) drive: Drive,
    /// A second stream beside the first.
    pub(crate) beside: Option<Beside>,
    /// The callbacks after which there is nothing more to come.
    pub(crate) until: Vec<Until>,
    /// What must hold besides the answers of the calls.
    pub(crate) checks: Vec<Check>,
    /// True where it cannot be run from outside of a host.
    pub(crate) only_here: bool,
}

/// The traffic of a case.
#[derive(Clone, Debug)]
pub(crate) enum Drive {
    /// One request.
    Http(Exchange),
    /// One connection.
    Tcp(TcpExchange),
    /// None: the steps are part of what the probe does as it starts.
    Start,
}

/// A second stream.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    /// It begins when the first stream came here.
    pub(crate) after: Until,
    pub(crate) steps: Vec<Step>,
    pub(crate) exchange: Exchange,
}

/// One of a case's scripts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    Stream,
    Root,
    Armed,
    Beside,
}

/// The how-manieth time of a callback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until {
    pub(crate) which: Which,
    pub(crate) phase: Phase,
    pub(crate) nth: u32,
}

/// What must hold of the traffic and of the callbacks.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    /// The status that the client got.
    Status(u16),
    /// The body that the client got.
    Body(String),
    /// A field that the client got.
    Field(&'static str, &'static str),
    /// A field that the client did not get.
    NoField(&'static str),
    /// A trailer that the client got.
    Trailer(&'static str, &'static str),
    /// The client got no whole response.
    Broken,
    /// The callbacks that came, in order, each run of equal ones once.
    Order(Which, Vec<Phase>),
    /// What a callback was given: its how-manieth time, which parameter behind the context.
    Given(Until, usize, u64),
    /// So many times it came.
    Times(Which, Phase, u32),
    /// The metrics page has a line that begins with the first and ends with the second.
    Metric(String, String),
    /// The bytes that the client of a connection got.
    Echoed(&'static str),
    /// The client of a connection got nothing and its connection ended.
    Closed,
    /// Of our own host only: others differ with a reason.
    Here(Box<Self>),
}

impl Check {
    /// Of our own host only.
    pub(crate) fn here(self) -> Self {
        Self::Here(Box::new(self))
    }
}

impl Case {
    /// A case about calls in a callback.
    pub(crate) fn at(phase: Phase, subject: &'static str, what: &str) -> Self {
        let case = Self {
            name: format!("{subject}/{}/{what}", phase.label()),
            subject,
            phase,
            stream: Vec::new(),
            root: Vec::new(),
            armed: Vec::new(),
            drive: Drive::Http(Exchange::with_everything()),
            beside: None,
            until: Vec::new(),
            checks: Vec::new(),
            only_here: false,
        };
        match home(phase) {
            Home::Start => Self { drive: Drive::Start, ..case },
            Home::Stream => case.until(Which::Stream, Phase::Delete, 1),
            Home::ArmedHttp => case.until(Which::Armed, Phase::Delete, 1),
            Home::Tcp => Self { drive: Drive::Tcp(TcpExchange::of("ping")), ..case }.until(
                Which::Armed,
                Phase::Delete,
                1,
            ),
            Home::Root => case.bring_about().until(Which::Root, phase, 1),
        }
    }

    /// The traffic and the steps that bring a callback of the root about.
    fn bring_about(mut self) -> Self {
        let mut begin = Vec::new();
        if self.phase == Phase::Tick {
            self.root.push(first(Phase::Tick, call::tick_period(0)));
            begin.push(call::tick_period(5));
        }
        if self.phase == Phase::HttpCallResponse {
            begin.push(call::good_http_call().into(4));
        }
        if self.phase == Phase::QueueReady {
            begin.push(call::register(&self.name).into(4));
            begin.push(call::enqueue(Arg::Value(4), "item"));
        }
        if self.phase == Phase::GrpcReceive {
            begin.push(call::grpc_call("upstream", "Say", "hello", 2000).into(4));
        }
        // Of a stream: of a call that ended well hosts in use tell the answer only, and older
        // SDKs do not survive more.
        let of_grpc = [Phase::GrpcInitialMetadata, Phase::GrpcTrailingMetadata, Phase::GrpcClose];
        if of_grpc.contains(&self.phase) {
            begin.push(call::grpc_stream("upstream", "Say").into(4));
            begin.push(call::grpc_send(Arg::Value(4), "hello", 1));
        }
        let steps = begin.into_iter().map(|call| first(Phase::RequestHeaders, call));
        self.stream.extend(steps);
        self
    }

    /// One more call in the callback, the first time that it comes.
    pub(crate) fn call(self, call: Call, answer: Answer) -> Self {
        let step = first(self.phase, call).gives(answer);
        self.step(step)
    }

    /// One more call there, only to prepare the next ones.
    pub(crate) fn prepare(self, call: Call) -> Self {
        let step = first(self.phase, call);
        self.step(step)
    }

    /// One more step, in the script that its callback runs.
    pub(crate) fn step(mut self, step: Step) -> Self {
        let tcp = matches!(self.drive, Drive::Tcp(_));
        let script = match home(step.phase) {
            Home::Start | Home::Root => &mut self.root,
            Home::ArmedHttp if matches!(self.drive, Drive::Start) => &mut self.root,
            Home::ArmedHttp | Home::Tcp => &mut self.armed,
            Home::Stream if tcp => &mut self.armed,
            Home::Stream if self.phase == Phase::ContextCreate => &mut self.armed,
            Home::Stream => &mut self.stream,
        };
        script.push(step);
        self
    }

    /// With other traffic.
    pub(crate) fn drive(self, exchange: Exchange) -> Self {
        Self { drive: Drive::Http(exchange), ..self }
    }

    /// With another connection.
    pub(crate) fn drive_tcp(self, exchange: TcpExchange) -> Self {
        Self { drive: Drive::Tcp(exchange), ..self }
    }

    /// Over only after this callback, too.
    pub(crate) fn until(mut self, which: Which, phase: Phase, nth: u32) -> Self {
        self.until.push(Until { which, phase, nth });
        self
    }

    /// One more check.
    pub(crate) fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Over with its reply.
    pub(crate) fn clear_until(self) -> Self {
        Self { until: Vec::new(), ..self }
    }

    /// Without the checks so far.
    pub(crate) fn clear_checks(self) -> Self {
        Self { checks: Vec::new(), ..self }
    }

    /// Without the steps that bring the callback about in a request's head.
    pub(crate) fn clear_begin(mut self) -> Self {
        self.stream.retain(|step| step.phase != Phase::RequestHeaders);
        self
    }

    /// A second stream, which begins when the first came to a callback.
    pub(crate) fn beside(self, phase: Phase, steps: Vec<Step>, exchange: Exchange) -> Self {
        let after = Until { which: Which::Stream, phase, nth: 1 };
        let beside = Some(Beside { after, steps, exchange });
        Self { beside, ..self }.until(Which::Beside, Phase::Delete, 1)
    }

    /// Not to be run from outside.
    pub(crate) fn only_here(self) -> Self {
        Self { only_here: true, ..self }
    }

    /// As part of what the probe does as it starts, for the making of the root.
    pub(crate) fn of_root_start(self) -> Self {
        let root = [self.root, self.armed].concat();
        let name = self.name.replacen("context_create", "context_create of root", 1);
        Self { name, root, armed: Vec::new(), drive: Drive::Start, until: Vec::new(), ..self }
    }

    /// The steps of one script.
    pub(crate) fn steps(&self, which: Which) -> &[Step] {
        match which {
            Which::Stream => &self.stream,
            Which::Root => &self.root,
            Which::Armed => &self.armed,
            Which::Beside => self.beside.as_ref().map_or(&[], |beside| &beside.steps),
        }
    }
}

/// Which script a callback runs, and by which traffic it comes.
enum Home {
    Start,
    Root,
    Stream,
    ArmedHttp,
    Tcp,
}

fn home(phase: Phase) -> Home {
    match phase {
        Phase::VmStart | Phase::Configure => Home::Start,
        Phase::ContextCreate => Home::ArmedHttp,
        Phase::NewConnection
        | Phase::DownstreamData
        | Phase::UpstreamData
        | Phase::DownstreamClose
        | Phase::UpstreamClose => Home::Tcp,
        Phase::Tick
        | Phase::HttpCallResponse
        | Phase::GrpcInitialMetadata
        | Phase::GrpcReceive
        | Phase::GrpcTrailingMetadata
        | Phase::GrpcClose
        | Phase::QueueReady
        | Phase::ForeignFunction => Home::Root,
        Phase::RequestHeaders
        | Phase::RequestBody
        | Phase::RequestTrailers
        | Phase::ResponseHeaders
        | Phase::ResponseBody
        | Phase::ResponseTrailers
        | Phase::Done
        | Phase::Log
        | Phase::Delete => Home::Stream,
    }
}
