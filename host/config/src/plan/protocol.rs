//! Protocols: what a listener speaks, and which codecs do it. Start reading at [`Spoken::of`].

use host_codec::{BoltSettings, BuiltinCodec};
use host_extension::{ExtensionPoint, FilterUse, OnError};
use host_pipeline::{CodecSource, CodecUse};
use host_types::{PluginName, ProtocolName};
use serde_json::Value;

use super::{Scope, Seen, instance::spec};
use crate::{
    cursor::Cursor,
    model::{CodecConfig, CodecEntryConfig, ProtocolConfig},
};

/// What the configuration calls the protocols that need no codec.
const PLAIN_WORDS: [&str; 3] = ["http", "auto", "tcp"];

/// True for a protocol that needs no codec.
pub(super) fn is_plain(name: &str) -> bool {
    PLAIN_WORDS.contains(&name)
}

/// What a listener speaks.
#[derive(Clone, Debug, Default)]
pub(super) struct Spoken {
    /// The codecs, in the order in which they are asked.
    pub(super) codecs: Vec<CodecUse>,
    /// HTTP, which is looked for behind the codecs.
    pub(super) http: bool,
    /// Bytes that are nothing of all this.
    pub(super) tcp: bool,
}

/// What the streams of a listener are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Streams {
    /// Requests of HTTP.
    Http,
    /// Frames of codecs.
    Frames,
    /// Both.
    Both,
    /// Its protocol was refused; then nothing is wrong for the wrong protocol.
    Unknown,
}

impl Spoken {
    /// What a listener speaks; `None` where that cannot be.
    pub(super) fn of(model: &ProtocolConfig, at: &Cursor<'_>, scope: &Scope<'_>) -> Option<Self> {
        let mut spoken = Self::default();
        let right = match model {
            ProtocolConfig::Word(word) if word == "auto" => {
                (spoken.http, spoken.tcp) = (true, true);
                true
            }
            ProtocolConfig::Word(word) => spoken.entry(&bare(word), at, scope).is_some(),
            ProtocolConfig::Codec(codec) => spoken.entry(codec, at, scope).is_some(),
            ProtocolConfig::List(entries) => spoken.entries(entries, at, scope),
        };
        right.then_some(spoken)
    }

    /// False where one of them is refused; all are looked at.
    fn entries(
        &mut self,
        entries: &[CodecEntryConfig],
        at: &Cursor<'_>,
        scope: &Scope<'_>,
    ) -> bool {
        let mut seen = Seen::default();
        let mut right = true;
        for (at, entry) in at.zip(entries) {
            let bare;
            let codec = match entry {
                CodecEntryConfig::Codec(codec) => codec,
                CodecEntryConfig::Word(word) => {
                    bare = self::bare(word);
                    &bare
                }
            };
            seen.check(&full_name(codec), "protocol", &at_name(&at));
            right &= self.entry(codec, &at, scope).is_some();
        }
        right
    }

    fn entry(&mut self, model: &CodecConfig, at: &Cursor<'_>, scope: &Scope<'_>) -> Option<()> {
        let name = model.name.as_str();
        if is_plain(name) {
            return self.plain(model, at);
        }
        let source = source(model, at, scope)?;
        let at = at_name(at);
        if self.http || self.tcp {
            let message = format!("`{name}` would never be asked behind `http` or `tcp`");
            return at.refuse_with(message, "too late", "put `http` and `tcp` behind all codecs");
        }
        let name = ProtocolName::from(full_name(model).as_str());
        self.codecs.push(CodecUse { name, source });
        Some(())
    }

    /// HTTP or bytes.
    fn plain(&mut self, model: &CodecConfig, at: &Cursor<'_>) -> Option<()> {
        let name = model.name.as_str();
        let settings = [("config", model.config.is_some()), ("root_id", model.root_id.is_some())];
        if let Some((key, _)) = settings.iter().find(|(_, given)| *given) {
            return at.name(key).refuse(format!("`{name}` has no `{key}`"), "only codecs have it");
        }
        let at = at_name(at);
        match name {
            "http" if self.tcp => {
                let message = "`http` would never be looked for behind `tcp`";
                at.refuse_with(message, "too late", "put `tcp` at the end")
            }
            "http" => {
                self.http = true;
                Some(())
            }
            "tcp" => {
                self.tcp = true;
                Some(())
            }
            _ => {
                let help = "put `http` and `tcp` at the end of the list";
                at.refuse_with("`auto` stands alone", "not in a list or map", help)
            }
        }
    }

    /// What its streams are; `None` where it has none.
    pub(super) fn streams(&self) -> Option<Streams> {
        match (self.codecs.is_empty(), self.http) {
            (true, false) => None,
            (true, true) => Some(Streams::Http),
            (false, false) => Some(Streams::Frames),
            (false, true) => Some(Streams::Both),
        }
    }
}

impl Streams {
    /// True where some are frames for certain.
    pub(super) fn has_frames(self) -> bool {
        matches!(self, Self::Frames | Self::Both)
    }
}

/// The name of a protocol, which is that of its codec, and of the part of its plugin where the
/// plugin has several.
fn full_name(model: &CodecConfig) -> String {
    match &model.root_id {
        Some(root) => format!("{}/{root}", model.name),
        None => model.name.clone(),
    }
}

/// Where the name of an entry stands: in a map, or alone.
fn at_name<'a>(at: &Cursor<'a>) -> Cursor<'a> {
    if at.has("name") { at.key("name") } else { at.clone() }
}

/// A codec without configuration.
fn bare(name: &str) -> CodecConfig {
    CodecConfig { name: name.to_owned(), config: None, root_id: None }
}

fn source(model: &CodecConfig, at: &Cursor<'_>, scope: &Scope<'_>) -> Option<CodecSource> {
    let name = model.name.as_str();
    if let Some(builtin) = builtin(name) {
        return builtin_source(builtin, model, at);
    }
    if !scope.names.plugins.contains(name) {
        return unknown(name, at, scope);
    }
    let config = model.config.as_ref();
    let spec = spec(ExtensionPoint::Codec, model.root_id.as_deref(), config);
    // Nothing can be read without its codec, so there is no other way.
    let on_error = OnError::Closed;
    let plugin = PluginName::from(name);
    scope.note_use(&plugin, &spec, &at_name(at));
    Some(CodecSource::Plugin(FilterUse { plugin, spec, on_error }))
}

/// The codec that is built in under a name.
pub(super) fn builtin(name: &str) -> Option<BuiltinCodec> {
    let all = [
        BuiltinCodec::Bolt(BoltSettings::default()),
        BuiltinCodec::Dubbo,
        BuiltinCodec::DubboThrift,
        BuiltinCodec::Tars,
    ];
    all.into_iter().find(|codec| codec.name() == name)
}

fn builtin_source(
    builtin: BuiltinCodec,
    model: &CodecConfig,
    at: &Cursor<'_>,
) -> Option<CodecSource> {
    let name = builtin.name();
    if model.root_id.is_some() {
        return at.name("root_id").refuse(format!("`{name}` has no `root_id`"), "it is no plugin");
    }
    let builtin = match (builtin, &model.config) {
        (BuiltinCodec::Bolt(_), Some(config)) => {
            BuiltinCodec::Bolt(bolt(config, &at.key("config"))?)
        }
        (_, Some(_)) => {
            let message = format!("`{name}` has no `config`");
            return at.name("config").refuse(message, "there is nothing to say of it");
        }
        (builtin, None) => builtin,
    };
    Some(CodecSource::Builtin(builtin))
}

fn bolt(config: &Value, at: &Cursor<'_>) -> Option<BoltSettings> {
    let Value::Object(map) = config else {
        return at.refuse("the `config` of `bolt` must be a map", "expected a map");
    };
    let mut settings = BoltSettings::default();
    for (key, value) in map {
        match (key.as_str(), value) {
            ("go_away", Value::Bool(value)) => settings.go_away = *value,
            ("go_away", _) => {
                return at.key(key).refuse("`go_away` must be true or false", "no such value");
            }
            _ => {
                let at = at.name(key);
                let problem = at.problem(format!("unknown key `{key}`"), "`bolt` has no such key");
                at.add(problem.suggest(key, ["go_away"].into_iter(), "the keys are"));
                return None;
            }
        }
    }
    Some(settings)
}

fn unknown<T>(name: &str, at: &Cursor<'_>, scope: &Scope<'_>) -> Option<T> {
    // A suggestion compares with every name, which would be too much for problems without end.
    if at.is_enough() {
        return None;
    }
    let at = at_name(at);
    let problem = at.problem(format!("unknown protocol `{name}`"), "no codec has this name");
    let plugins = scope.names.plugins.iter().map(String::as_str);
    let known = PLAIN_WORDS.into_iter().chain(BuiltinCodec::NAMES).chain(plugins);
    at.add(problem.suggest(name, known, "a protocol is one of these or a plugin"));
    None
}
