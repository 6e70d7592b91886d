//! Notices that a file of the configuration changed.
//!
//! Editors and deployments replace files rather than write into them, so directories are
//! watched, and an event counts where it names one of the files, or one of the links on the
//! way to it. A burst of events is one change.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};

/// A change is over when nothing more has happened for this long.
const QUIET: Duration = Duration::from_millis(150);
/// A change that does not end is acted upon after so many events.
const BURST_MAX: usize = 50;

/// Watches files.
pub(crate) struct Watcher {
    inner: RecommendedWatcher,
    directories: BTreeSet<PathBuf>,
    files: Arc<Mutex<BTreeSet<PathBuf>>>,
    changed: Arc<Notify>,
}

impl Watcher {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The system offers no way to watch files.
    pub(crate) fn start() -> notify::Result<Self> {
        let changed = Arc::new(Notify::new());
        let files = Arc::<Mutex<BTreeSet<PathBuf>>>::default();
        let (wake, known) = (Arc::clone(&changed), Arc::clone(&files));
        let inner = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| matters(&event, &known.lock())) {
                wake.notify_one();
            }
        })?;
        Ok(Self { inner, directories: BTreeSet::new(), files, changed })
    }

    /// Watches these files and no others.
    pub(crate) fn watch(&mut self, files: impl Iterator<Item = PathBuf>) {
        let files: BTreeSet<PathBuf> = files.map(|file| absolute(&file)).collect();
        let directories: BTreeSet<PathBuf> =
            files.iter().filter_map(|file| file.parent()).map(Path::to_owned).collect();
        for gone in self.directories.difference(&directories) {
            if let Err(error) = self.inner.unwatch(gone) {
                tracing::debug!(directory = %gone.display(), %error, "was not watched any more");
            }
        }
        let mut watched = directories.clone();
        for new in directories.difference(&self.directories) {
            if let Err(error) = self.inner.watch(new, RecursiveMode::NonRecursive) {
                let directory = new.display();
                tracing::warn!(%directory, %error, "changes there are not noticed; send SIGHUP");
                watched.remove(new);
            }
        }
        // One that could not be watched is tried again the next time.
        self.directories = watched;
        *self.files.lock() = files;
    }

    /// Waits for a change, and until it is over.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
        for _ in 0..BURST_MAX {
            if timeout(QUIET, self.changed.notified()).await.is_err() {
                return;
            }
        }
    }
}

/// True for an event that may have changed what one of the files says.
fn matters(event: &Event, files: &BTreeSet<PathBuf>) -> bool {
    let is_change =
        matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_));
    // Kubernetes swaps a link beside the files, `..data`.
    let names = |path: &PathBuf| {
        files.contains(path)
            || path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."))
    };
    is_change && event.paths.iter().any(names)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests;
