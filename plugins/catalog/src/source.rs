//! Artifacts: reading them, and telling one from another.
//!
//! A source is a file, or the directory of a package: then its manifest says which file it is
//! for the backend that the configuration chose, and how that is started.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use abi_manifest::{
    ArtifactEntry, FILE_NAME, MANIFEST_BYTES_MAX, Manifest, ManifestError, PLATFORM, Phase,
};
use host_extension::{FaultKind, Phases, PluginFault};
use host_types::{Bootstrap, ProcessSettings};
use plugins_policy::{Mode, Permission, Policy, Rights};
use sha2::{Digest as _, Sha256};

use crate::{BackendKind, PluginPlan};

/// The largest artifact that is read.
const ARTIFACT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The SHA-256 of an artifact; shown as hexadecimal digits.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Digest([u8; 32]);

/// What was found out of an artifact.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Whether its manifest says that traffic must never go on without it; `None` where there is
    /// one, or may be one, that cannot be read.
    pub(crate) says_security: Option<bool>,
    /// The artifact, or why it cannot be read.
    pub(crate) artifact: Result<Artifact, PluginFault>,
}

/// An artifact as it was read.
#[derive(Debug)]
pub(crate) struct Artifact {
    /// The file.
    pub(crate) path: PathBuf,
    /// What is in it; nothing for what is compiled in.
    pub(crate) bytes: Vec<u8>,
    /// Of the file, and of the manifest of its package.
    pub(crate) digest: Digest,
    /// What the manifest says, where there is one.
    pub(crate) package: Package,
}

/// What a manifest adds to the plan of a plugin.
#[derive(Debug, Default)]
pub(crate) struct Package {
    arguments: Vec<Arc<str>>,
    bootstrap: Option<Bootstrap>,
    phases: Option<Phases>,
    /// What it asks for; `None` where no manifest says so, and everything is asked for.
    asked: Option<Vec<Permission>>,
}

/// Why an artifact could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot read the artifact: {0}")]
    Unreadable(#[from] io::Error),
    #[error("its plugin.toml is not a regular file")]
    ManifestIsNoFile,
    #[error("the artifact is not a regular file")]
    NotAFile,
    #[error("the artifact is empty")]
    Empty,
    #[error("the artifact is larger than {max} bytes")]
    TooLarge { max: u64 },
    #[error("the artifact is a directory without a `{FILE_NAME}`; name the file in it")]
    NoPackage,
    #[error("`{file}` leads out of the package: a link to what lies elsewhere is not followed")]
    Outside { file: String },
    #[error("`{FILE_NAME}` is no text")]
    NoText,
    #[error("{FILE_NAME}: {0}")]
    Manifest(#[from] ManifestError),
}

impl Reading {
    /// Reads a plugin's artifact, whole.
    pub(crate) fn of(plan: &PluginPlan) -> Self {
        let source = plan.source.as_path();
        if plan.backend == BackendKind::Builtin {
            let digest = Digest::of(&[source.as_os_str().as_encoded_bytes()]);
            let (path, package) = (source.to_path_buf(), Package::default());
            let artifact = Artifact { path, bytes: Vec::new(), digest, package };
            return Self { says_security: Some(false), artifact: Ok(artifact) };
        }
        let (says_security, artifact) = if is_package(source) {
            match manifest_of(source) {
                // What it says counts, whatever is wrong with the rest of the package.
                Ok((text, manifest)) => {
                    (Some(manifest.is_security), in_package(source, &text, &manifest, plan.backend))
                }
                Err(error) => (None, Err(error)),
            }
        } else {
            // Of what is not there nothing is known.
            (source.exists().then_some(false), alone(source))
        };
        let artifact = artifact.map_err(|error| {
            let message = format!("{}: {error}", source.display());
            PluginFault::new(FaultKind::LoadFailed, message)
        });
        Self { says_security, artifact }
    }
}

/// True where a source is a package. What is not there at all is none: who wrote `open` for it
/// gets that, and whose traffic must not go on then says `security: true` in the configuration.
pub(crate) fn is_package(source: &Path) -> bool {
    source.is_dir()
}

/// The files that an artifact is read from; of a package that cannot be read, its manifest.
pub(crate) fn files(plan: &PluginPlan) -> Vec<PathBuf> {
    let source = plan.source.as_path();
    if plan.backend == BackendKind::Builtin {
        return Vec::new();
    }
    if !is_package(source) {
        return vec![source.to_path_buf()];
    }
    let manifest = source.join(FILE_NAME);
    let named = manifest_of(source).ok();
    let named = named.and_then(|(_text, manifest)| {
        let artifact = manifest.artifact(plan.backend.label(), PLATFORM).ok()?;
        Some(source.join(&artifact.file))
    });
    std::iter::once(manifest).chain(named).collect()
}

impl Package {
    fn new(manifest: &Manifest, artifact: &ArtifactEntry) -> Self {
        let bootstrap = artifact.go_plugin.as_ref().map(|go_plugin| Bootstrap::GoPlugin {
            cookie_key: go_plugin.cookie_key.as_str().into(),
            cookie_value: go_plugin.cookie_value.as_str().into(),
            mutual_tls: go_plugin.mutual_tls,
        });
        let phases = manifest.phases().map(phase).fold(Phases::NONE, |all, one| all | one);
        Self {
            arguments: artifact.arguments.iter().map(|one| one.as_str().into()).collect(),
            bootstrap,
            phases: Some(phases),
            asked: Some(manifest.permissions.clone()),
        }
    }

    /// What it asks for; `None` where no manifest says so.
    pub(crate) fn asked(&self) -> Option<&[Permission]> {
        self.asked.as_deref()
    }

    /// What a policy leaves of what it asks for. Where all is to be let, what is not allowed is
    /// carried out all the same.
    pub(crate) fn rights(&self, plan: &PluginPlan, lets_all: bool) -> Rights {
        let mode = if lets_all { Mode::Permissive } else { plan.policy.mode };
        let policy = Policy { mode, ..(*plan.policy).clone() };
        Rights::new(&policy, self.asked.as_deref(), plan.shared_namespace())
    }

    /// The phases that a plugin is shown: the configured ones, or those that it asks for.
    pub(crate) fn phases(&self, configured: Option<Phases>) -> Option<Phases> {
        configured.or(self.phases)
    }

    /// How its process is started: as configured, with what the manifest says of the program.
    pub(crate) fn process(&self, configured: &ProcessSettings) -> ProcessSettings {
        let mut settings = configured.clone();
        settings.arguments.splice(0..0, self.arguments.iter().cloned());
        if let (Bootstrap::Mortise, Some(bootstrap)) = (&settings.bootstrap, &self.bootstrap) {
            settings.bootstrap = bootstrap.clone();
        }
        settings
    }
}

fn phase(phase: Phase) -> Phases {
    match phase {
        Phase::RequestHeaders => Phases::REQUEST_HEADERS,
        Phase::RequestBody => Phases::REQUEST_BODY,
        Phase::RequestTrailers => Phases::REQUEST_TRAILERS,
        Phase::ResponseHeaders => Phases::RESPONSE_HEADERS,
        Phase::ResponseBody => Phases::RESPONSE_BODY,
        Phase::ResponseTrailers => Phases::RESPONSE_TRAILERS,
        Phase::Log => Phases::LOG,
        Phase::NewConnection => Phases::NEW_CONNECTION,
        Phase::DownstreamData => Phases::DOWNSTREAM_DATA,
        Phase::UpstreamData => Phases::UPSTREAM_DATA,
        Phase::Close => Phases::CLOSE,
        // A phase of a later version of the format is nothing that this proxy has.
        _ => Phases::NONE,
    }
}

fn alone(path: &Path) -> Result<Artifact, SourceError> {
    let bytes = read(path, ARTIFACT_BYTES_MAX)?;
    let digest = Digest::of(&[&bytes]);
    Ok(Artifact { path: path.to_path_buf(), bytes, digest, package: Package::default() })
}

fn in_package(
    directory: &Path,
    text: &[u8],
    manifest: &Manifest,
    backend: BackendKind,
) -> Result<Artifact, SourceError> {
    let artifact = manifest.artifact(backend.label(), PLATFORM)?;
    let path = directory.join(&artifact.file);
    // A process may read the directory in which its artifact lies: by a link a package would
    // choose which.
    if !path.canonicalize()?.starts_with(directory.canonicalize()?) {
        return Err(SourceError::Outside { file: artifact.file.clone() });
    }
    let bytes = read(&path, ARTIFACT_BYTES_MAX)?;
    let digest = Digest::of(&[text, &bytes]);
    let package = Package::new(manifest, artifact);
    Ok(Artifact { path, bytes, digest, package })
}

/// The manifest of a package, with its text.
pub(crate) fn manifest_of(directory: &Path) -> Result<(Vec<u8>, Manifest), SourceError> {
    let manifest = directory.join(FILE_NAME);
    if !manifest.exists() {
        return Err(SourceError::NoPackage);
    }
    let text = read(&manifest, MANIFEST_BYTES_MAX).map_err(|error| {
        let is_no_file = matches!(error, SourceError::NotAFile);
        if is_no_file { SourceError::ManifestIsNoFile } else { error }
    })?;
    let manifest = str::from_utf8(&text).map_err(|_no_text| SourceError::NoText)?;
    let manifest = Manifest::parse(manifest)?;
    Ok((text, manifest))
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, SourceError> {
    // Asked before it is opened: opening a pipe would wait for its other end.
    let kind = fs::metadata(path)?.file_type();
    if !kind.is_file() {
        return Err(SourceError::NotAFile);
    }
    let mut bytes = Vec::new();
    // The size that the metadata tell may be outdated; what counts is what is read.
    let read = File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    match read {
        0 => Err(SourceError::Empty),
        read if u64::try_from(read).is_ok_and(|read| read <= bytes_max) => Ok(bytes),
        _ => Err(SourceError::TooLarge { max: bytes_max }),
    }
}

impl Digest {
    fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests;
