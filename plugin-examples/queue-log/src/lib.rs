//! Queue-log: each request puts a line into a shared queue; a service takes them out and logs
//! them, away from the requests.
//!
//! One module with two parts, by the root id of the use: `sender` is a stream filter,
//! `receiver` a service. Start reading at [`Sender`] and [`Receiver`].

use std::{cell::Cell, rc::Rc};

use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::{ContextType, LogLevel},
};
use serde::Deserialize;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { part: None }));
}}

/// The plugin's configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// The queue's name; both parts name the same one.
    queue: String,
    /// The id of the machine whose queue it is; where it is not given, the plugin's own.
    #[serde(default)]
    vm_id: String,
}

/// What a use of the plugin is.
enum Part {
    /// A stream filter that fills the queue.
    Sender(Rc<Sender>),
    /// A service that empties it.
    Receiver(Receiver),
}

/// What one use of the plugin keeps.
struct Root {
    part: Option<Part>,
}

impl Root {
    /// The part that the root id names.
    fn part(&self) -> Result<Part, String> {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let rule: Rule = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        match self.get_property(vec!["plugin_root_id"]).unwrap_or_default().as_slice() {
            b"sender" => Ok(Part::Sender(Rc::new(Sender { rule, complained: Cell::new(false) }))),
            b"receiver" => {
                Ok(Part::Receiver(Receiver { queue: self.register_shared_queue(&rule.queue) }))
            }
            id => Err(format!(
                "the root id is neither `sender` nor `receiver`: {:?}",
                String::from_utf8_lossy(id)
            )),
        }
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.part() {
            Ok(part) => {
                self.part = Some(part);
                true
            }
            Err(why) => {
                log::error!("queue-log: bad configuration: {why}");
                false
            }
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        if let Some(Part::Receiver(receiver)) = &self.part
            && receiver.queue == queue
        {
            receiver.empty(self);
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        match self.part.as_ref()? {
            Part::Sender(sender) => Some(Box::new(Request { sender: Rc::clone(sender) })),
            Part::Receiver(_) => None,
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        match self.part.as_ref()? {
            Part::Sender(_) => Some(ContextType::HttpContext),
            Part::Receiver(_) => None,
        }
    }
}

/// The part that empties the queue.
struct Receiver {
    queue: u32,
}

impl Receiver {
    /// Logs all that is there: one callback may stand for several lines, and then the next
    /// callbacks find nothing.
    fn empty(&self, context: &Root) {
        loop {
            match context.dequeue_shared_queue(self.queue) {
                Ok(Some(line)) => log::info!("queue-log: {}", String::from_utf8_lossy(&line)),
                Ok(None) => return,
                Err(status) => return log::error!("queue-log: cannot read: {status:?}"),
            }
        }
    }
}

/// The part that fills the queue.
struct Sender {
    rule: Rule,
    /// Whether it said already that lines are lost.
    complained: Cell<bool>,
}

impl Sender {
    fn send(&self, context: &Request, line: &str) {
        let queue = context.resolve_shared_queue(&self.rule.vm_id, &self.rule.queue);
        let sent = match queue {
            Some(queue) => context
                .enqueue_shared_queue(queue, Some(line.as_bytes()))
                .map_err(|status| format!("it takes no line: {status:?}")),
            None => Err("nobody reads it".to_owned()),
        };
        match sent {
            Ok(()) => self.complained.set(false),
            // Once is enough until it works again: requests must not fill the log.
            Err(why) if !self.complained.replace(true) => {
                log::warn!("queue-log: lines for the queue `{}` are lost: {why}", self.rule.queue);
            }
            Err(_why) => {}
        }
    }
}

/// One request, told of when it is over.
struct Request {
    sender: Rc<Sender>,
}

impl Request {
    fn field(&self, path: [&str; 2]) -> String {
        let value = self.get_property(path.to_vec()).unwrap_or_default();
        String::from_utf8_lossy(&value).into_owned()
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_log(&mut self) {
        let line =
            format!("{} {}", self.field(["request", "method"]), self.field(["request", "path"]));
        self.sender.send(self, &line);
    }
}
