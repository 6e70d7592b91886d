//! How a plugin's child process is started, watched and confined.

use std::{path::PathBuf, sync::Arc, time::Duration};

/// What the configuration says of a plugin's child process.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ProcessSettings {
    /// Arguments after the program's name.
    pub arguments: Vec<Arc<str>>,
    /// Environment variables that it sees; nothing of the host's own is among them.
    pub environment: Vec<(Arc<str>, Arc<str>)>,
    /// How it learns where to listen.
    pub bootstrap: Bootstrap,
    /// Over what the proxy reaches it.
    pub transport: Transport,
    /// The longest wait until it is ready to serve.
    pub start_timeout: Duration,
    /// The longest wait for one answer.
    pub call_timeout: Duration,
    /// It is killed when it did not answer a ping for so long.
    pub unresponsive_timeout: Duration,
    /// The longest wait for its streams before it is stopped.
    pub drain_timeout: Duration,
    /// When it is started again.
    pub restart: RestartSettings,
    /// What the kernel keeps from it.
    pub sandbox: SandboxSettings,
}

/// How a child learns where to listen.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub enum Bootstrap {
    /// Ours: a listening socket as file descriptor 3, parameters on its standard input.
    #[default]
    Mortise,
    /// That of hashicorp/go-plugin, version 1 of its core protocol.
    GoPlugin {
        /// The name of the environment variable that says that a host started it.
        cookie_key: Arc<str>,
        /// Its value.
        cookie_value: Arc<str>,
        /// True where both sides make certificates and check them (AutoMTLS).
        mutual_tls: bool,
    },
}

/// Over what the proxy reaches a child.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Transport {
    /// A Unix socket in a directory of its own.
    #[default]
    Unix,
    /// TCP on loopback.
    Tcp,
}

/// When a child that ended is started again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RestartSettings {
    /// How often it may end within `window` before it is given up until the next load.
    pub crashes_max: u32,
    /// See `crashes_max`.
    pub window: Duration,
    /// The longest first wait; it doubles with every start that did not last.
    pub backoff: Duration,
    /// The longest wait of all.
    pub backoff_max: Duration,
}

/// What the kernel keeps from a child.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct SandboxSettings {
    /// False only where the operator said `none`.
    pub enabled: bool,
    /// The user that it runs as; the proxy's own where there is none. Needs root.
    pub user: Option<Account>,
    /// The group that it runs as; that of the user where there is none. Needs root.
    pub group: Option<Account>,
    /// Files and directories that it may read beside its own and the system's libraries.
    pub read: Vec<PathBuf>,
    /// Data of its address space, in bytes; all of its memory, where it has a control group.
    pub memory_bytes_max: u64,
    /// Processes and threads that it may have, where it has a control group; else, of its user.
    pub processes_max: u64,
    /// Files that it may have open.
    pub files_max: u64,
    /// It is started also where this kernel cannot keep files from it.
    pub may_lack_files: bool,
    /// It is started also where this kernel cannot keep system calls from it, and so neither the
    /// network nor other processes.
    pub may_lack_network: bool,
}

/// A user or a group of the machine.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Account {
    /// By its number.
    Number(u32),
    /// By its name in the machine's own lists, `/etc/passwd` or `/etc/group`.
    Name(Arc<str>),
}

impl Default for ProcessSettings {
    fn default() -> Self {
        Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            bootstrap: Bootstrap::default(),
            transport: Transport::default(),
            start_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_millis(200),
            unresponsive_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(5),
            restart: RestartSettings::default(),
            sandbox: SandboxSettings::default(),
        }
    }
}

impl Default for RestartSettings {
    fn default() -> Self {
        Self {
            crashes_max: 5,
            window: Duration::from_mins(5),
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
        }
    }
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            user: None,
            group: None,
            read: Vec::new(),
            memory_bytes_max: 512 * 1024 * 1024,
            processes_max: 512,
            files_max: 256,
            may_lack_files: false,
            may_lack_network: false,
        }
    }
}
