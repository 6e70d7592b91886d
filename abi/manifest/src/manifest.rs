//! The file, as it is read and checked.

use std::{fmt, path::Path};

use semver::Version;
use serde::Deserialize;
use toml::Spanned;

use crate::{Capability, Permission};

/// The name of the file in a package.
pub const FILE_NAME: &str = "plugin.toml";

/// The largest file that is worth reading.
pub const MANIFEST_BYTES_MAX: u64 = 256 * 1024;

/// The platform that this was compiled for, as artifacts name it: `linux/x86_64`.
pub const PLATFORM: &str = if cfg!(target_arch = "x86_64") {
    "linux/x86_64"
} else if cfg!(target_arch = "aarch64") {
    "linux/aarch64"
} else {
    "unknown"
};

/// The most permissions that one manifest may ask for.
const PERMISSIONS_MAX: usize = 256;

/// The most of them that may be patterns with a `*`, for each capability: where one name stands
/// for many, each call compares it with all of these.
const WILDCARDS_MAX: usize = 8;

/// The version of the format.
const SCHEMA: u32 = 1;

/// What a package says of itself; complete and checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// What it does, in one line.
    pub summary: Option<String>,
    /// Where it can stand, and what it asks to see there.
    pub provides: Vec<Provided>,
    /// What it is made of.
    pub artifacts: Vec<ArtifactEntry>,
    /// What it asks to be allowed; it gets nothing else.
    pub permissions: Vec<Permission>,
    /// True where traffic must never go on without it: a plugin that says who may pass.
    pub is_security: bool,
}

/// One place where the plugin can stand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Provided {
    /// Which.
    pub point: Point,
    /// By which `root_id` it is meant; empty for the only one.
    pub root_id: String,
    /// What it asks to see; nothing else is sent to it. None for a codec, which is given all
    /// bytes.
    pub phases: Vec<Phase>,
}

/// An extension point.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Point {
    /// In the way of requests.
    StreamFilter,
    /// In the way of a connection's bytes.
    NetworkFilter,
    /// To read and write the frames of a protocol.
    Codec,
    /// Beside all traffic.
    Service,
}

/// A part of a stream or connection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "as the configuration of the proxy has them")]
pub enum Phase {
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    Log,
    NewConnection,
    DownstreamData,
    UpstreamData,
    Close,
}

/// A way of running.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Backend {
    /// In a sandbox.
    Wasm,
    /// As a child process.
    Process,
    /// As a library.
    Native,
}

/// One artifact.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ArtifactEntry {
    /// How it runs.
    pub backend: Backend,
    /// The file, relative to the package's directory and inside it.
    pub file: String,
    /// Where it runs: `linux/x86_64`; empty for everywhere.
    #[serde(default)]
    pub platform: String,
    /// Arguments after the program's name, for a child process.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Set for a child process that was written for hashicorp/go-plugin.
    #[serde(default)]
    pub go_plugin: Option<GoPlugin>,
}

/// How a program that was written for hashicorp/go-plugin is started.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct GoPlugin {
    /// The name of its magic cookie.
    pub cookie_key: String,
    /// The value of its magic cookie.
    pub cookie_value: String,
    /// Both sides make certificates and check them (AutoMTLS).
    #[serde(default)]
    pub mutual_tls: bool,
}

/// Why a manifest is refused; one line for a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is no TOML, or has keys or values that are not known; with line and column.
    #[error("{0}")]
    Form(Box<str>),
    /// It is written in another version of the format.
    #[error("`schema = {0}` is not known; this version reads `schema = {SCHEMA}`")]
    Schema(u32),
    /// Something in it makes no sense.
    #[error("{0}")]
    Content(Box<str>),
    /// It has no artifact for what is asked.
    #[error("the package has no artifact for `backend: {backend}` on {platform}; it has {known}")]
    NoArtifact {
        /// What was asked for.
        backend: Box<str>,
        /// Where it is to run.
        platform: Box<str>,
        /// What there is.
        known: Box<str>,
    },
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u32,
    plugin: Identity,
    #[serde(default)]
    provides: Vec<ProvidedEntry>,
    #[serde(default)]
    artifact: Vec<ArtifactEntry>,
    #[serde(default)]
    permissions: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvidedEntry {
    point: Point,
    #[serde(default)]
    root_id: String,
    phases: Option<Vec<Phase>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    name: String,
    version: String,
    summary: Option<String>,
    #[serde(default)]
    security: bool,
    #[serde(rename = "license")]
    _license: Option<String>,
    #[serde(rename = "homepage")]
    _homepage: Option<String>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let file: File =
            toml::from_str(text).map_err(|error| ManifestError::Form(one_line(&error)))?;
        if file.schema != SCHEMA {
            return Err(ManifestError::Schema(file.schema));
        }
        let version = Version::parse(&file.plugin.version).map_err(|error| {
            content(format!(
                "`version` is no semantic version ({error}): {:?}",
                file.plugin.version
            ))
        })?;
        check_name(&file.plugin.name)?;
        let provides: Vec<Provided> =
            file.provides.into_iter().map(provided).collect::<Result<_, _>>()?;
        check_provides(&provides)?;
        check_artifacts(&file.artifact)?;
        let permissions = parse_permissions(text, &file.permissions)?;
        Ok(Self {
            name: file.plugin.name,
            version,
            summary: file.plugin.summary,
            provides,
            artifacts: file.artifact,
            permissions,
            is_security: file.plugin.security,
        })
    }

    /// The artifact for a backend on a platform; one that names the platform goes before one for
    /// all.
    ///
    /// # Errors
    /// There is none.
    pub fn artifact(&self, backend: &str, platform: &str) -> Result<&ArtifactEntry, ManifestError> {
        let of = |wanted: &str| {
            self.artifacts
                .iter()
                .find(|one| one.backend.label() == backend && one.platform == wanted)
        };
        of(platform).or_else(|| of("")).ok_or_else(|| {
            let known: Vec<_> = self.artifacts.iter().map(ToString::to_string).collect();
            ManifestError::NoArtifact {
                backend: backend.into(),
                platform: platform.into(),
                known: known.join(", ").into(),
            }
        })
    }

    /// What it asks to see, wherever it stands.
    pub fn phases(&self) -> impl Iterator<Item = Phase> {
        self.provides.iter().flat_map(|provided| provided.phases.iter().copied())
    }
}

impl Backend {
    /// The word of the configuration.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Process => "process",
            Self::Native => "native",
        }
    }
}

impl fmt::Display for ArtifactEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.backend.label())?;
        if self.platform.is_empty() { Ok(()) } else { write!(f, " on {}", self.platform) }
    }
}

fn content(message: impl Into<Box<str>>) -> ManifestError {
    ManifestError::Content(message.into())
}

/// Names stand in paths, labels and logs.
fn check_name(name: &str) -> Result<(), ManifestError> {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_/.".contains(&byte);
    let parts = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    if name.len() <= 128 && parts && name.bytes().all(fits) {
        return Ok(());
    }
    Err(content(format!(
        "`name` must be lower-case letters, digits, `-` and `_`, with one `/` after a namespace: \
         {name:?}"
    )))
}

fn provided(entry: ProvidedEntry) -> Result<Provided, ManifestError> {
    let ProvidedEntry { point, root_id, phases } = entry;
    match (point, phases) {
        (Point::Codec, Some(_)) => Err(content(
            "a `provides` with `point = \"codec\"` has no `phases`: a codec is given all bytes",
        )),
        (Point::Codec, None) => Ok(Provided { point, root_id, phases: Vec::new() }),
        (_, Some(phases)) => Ok(Provided { point, root_id, phases }),
        (_, None) => {
            Err(content("a `provides` has no `phases`: say what the plugin asks to see there"))
        }
    }
}

fn check_provides(provides: &[Provided]) -> Result<(), ManifestError> {
    if provides.is_empty() {
        return Err(content("`provides` is missing: say at least once where the plugin can stand"));
    }
    for (place, one) in provides.iter().enumerate() {
        let earlier = provides.iter().take(place);
        let is_again = |other: &Provided| other.point == one.point && other.root_id == one.root_id;
        if earlier.into_iter().any(is_again) {
            let point = format!("{:?} `{}`", one.point, one.root_id);
            return Err(content(format!("the same `provides` is there twice: {point}")));
        }
    }
    Ok(())
}

fn check_artifacts(artifacts: &[ArtifactEntry]) -> Result<(), ManifestError> {
    if artifacts.is_empty() {
        return Err(content("`artifact` is missing: name at least one file"));
    }
    for (place, one) in artifacts.iter().enumerate() {
        // A package is untrusted content: it names nothing outside of itself.
        let path = Path::new(&one.file);
        let stays = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if one.file.is_empty() || !stays || one.file.contains('\0') {
            let message = format!("`file` must stay inside of the package: {:?}", one.file);
            return Err(content(message));
        }
        let is_again =
            |other: &ArtifactEntry| other.backend == one.backend && other.platform == one.platform;
        if artifacts.iter().take(place).any(is_again) {
            return Err(content(format!("two artifacts are for {one}")));
        }
        if one.backend != Backend::Process && (one.go_plugin.is_some() || !one.arguments.is_empty())
        {
            let message =
                "`arguments` and `go_plugin` are for artifacts with `backend = \"process\"`";
            return Err(content(message));
        }
    }
    Ok(())
}

/// The permissions of `text`; a refusal names the place.
fn parse_permissions(
    text: &str,
    written: &[Spanned<String>],
) -> Result<Vec<Permission>, ManifestError> {
    if written.len() > PERMISSIONS_MAX {
        return Err(content(format!("at most {PERMISSIONS_MAX} `permissions` are read")));
    }
    let parse = |one: &Spanned<String>| {
        one.get_ref().parse().map_err(|error| {
            let before = text.get(..one.span().start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let start = before.rsplit('\n').next().unwrap_or_default();
            let column = start.chars().count() + 1;
            ManifestError::Form(format!("at line {line}, column {column}: {error}").into())
        })
    };
    let permissions: Vec<Permission> = written.iter().map(parse).collect::<Result<_, _>>()?;
    for capability in Capability::ALL {
        let wild = permissions.iter().filter(|one| {
            let is_wild = one.pattern().is_some_and(|pattern| !pattern.is_exact());
            is_wild && one.capabilities().any(|other| other == capability)
        });
        if wild.count() > WILDCARDS_MAX {
            return Err(content(format!(
                "at most {WILDCARDS_MAX} `permissions` for `{}` may have a `*`",
                capability.word()
            )));
        }
    }
    Ok(permissions)
}

/// What the parser says, without its drawing of the place.
fn one_line(error: &toml::de::Error) -> Box<str> {
    let place = error.to_string();
    let place = place.lines().next().unwrap_or_default().trim_start_matches("TOML parse error ");
    format!("{place}: {}", error.message().replace('\n', " ")).into()
}

#[cfg(test)]
mod tests;
