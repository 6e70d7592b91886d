//! The supervisor: one thread that looks after all children of the process.
//!
//! Each generation of a plugin is a task of it (`care`): starting, serving, waiting, given up,
//! draining. One start is `start`, with `plan` before it and `failure` after it; whether there is
//! another one is `restarts`; how a process is waited for and ended is `process`. Workers learn of
//! all that by a watch channel.
//!
//! It never touches a stream. It ends when the last plugin and the backend are gone, and waits
//! for the children to be gone before.

mod care;
mod failure;
mod plan;
mod process;
mod restarts;
mod start;

use std::{fmt, io, rc::Rc, sync::Arc, thread};

use futures_util::future::LocalBoxFuture;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

pub(crate) use self::{
    care::{Care, Face},
    plan::Plan,
    process::Handle,
};

/// Starts that go on at the same time.
const STARTS_MAX: usize = 4;

/// What all tasks of the thread share.
#[derive(Debug)]
pub(crate) struct Common {
    starts: Semaphore,
}

type Job = Box<dyn FnOnce(Rc<Common>) -> LocalBoxFuture<'static, ()> + Send>;

/// The thread. Dropping the last handle waits until its children are gone.
pub(crate) struct Supervisor {
    /// Gone only while it is dropped.
    jobs: Option<mpsc::UnboundedSender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Supervisor {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Arc<Self>> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let (started, outcome) = std::sync::mpsc::channel();
        let thread =
            thread::Builder::new().name("plugin-supervisor".to_owned()).spawn(move || {
                let mut runtime = Builder::new_current_thread();
                match runtime.enable_all().build_local(LocalOptions::default()) {
                    Ok(runtime) => {
                        let _heard = started.send(Ok(()));
                        runtime.block_on(work(queue));
                    }
                    Err(error) => {
                        let _heard = started.send(Err(error));
                    }
                }
            })?;
        outcome.recv().map_err(io::Error::other)??;
        Ok(Arc::new(Self { jobs: Some(jobs), thread: Some(thread) }))
    }

    /// Runs something on the thread, beside all else. Plugins are what it is called for, so there
    /// are never many.
    pub(crate) fn run<F>(&self, job: impl FnOnce(Rc<Common>) -> F + Send + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        if let Some(jobs) = &self.jobs {
            let _thread_lives = jobs.send(Box::new(move |common| Box::pin(job(common))));
        }
    }
}

async fn work(mut queue: mpsc::UnboundedReceiver<Job>) {
    let common = Rc::new(Common { starts: Semaphore::new(STARTS_MAX) });
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            job = queue.recv() => match job {
                Some(job) => {
                    tasks.spawn_local(job(Rc::clone(&common)));
                }
                None => break,
            },
            Some(_ended) = tasks.join_next() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _panicked = thread.join();
        }
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").finish_non_exhaustive()
    }
}
