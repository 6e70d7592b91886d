//! The catalogue of permissions as Markdown, made from the code that decides, so that it cannot
//! say anything else.
//!
//! It stands in `PERMISSIONS.md`, which a test compares. Start reading at [`catalogue`].

mod limits;

use std::fmt::{self, Write};

use abi_manifest::{Argument, Capability};

use self::limits::write_limits;
use crate::{
    Enforcement, FACTS, FRAMING, HostCall, KernelFacts, Policy, Preset, ROUTING, RPC_ROUTING,
    Restriction, Rights, Runs, SYSTEM,
};

/// The catalogue: capabilities, fields of the host, presets, limits, restrictions.
#[must_use]
pub fn catalogue() -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _always = write(&mut text);
    text
}

type Written = fmt::Result;

fn write(text: &mut String) -> Written {
    text.write_str(INTRODUCTION)?;
    capabilities(text)?;
    fields(text)?;
    text.write_str(ANSWERS)?;
    presets(text)?;
    write_limits(text)?;
    restrictions(text)
}

const INTRODUCTION: &str = "\
# Permissions

What a plugin may do, in one language for `permissions` of a `plugin.toml` and for `grants` and \
`denials` of a policy. This page is printed by `mortise policy catalogue`; it is made from the \
code that decides.

A permission is written `WORD` or `WORD:PATTERN`. The first parts of a word name all that begin \
with them: `headers` is all of `headers.request.read`, `headers.request.write`, \
`headers.response.read` and `headers.response.write`. A pattern narrows a permission down to \
names; `*` in it stands for any number of bytes. Without a pattern the permission is for all \
names, and for the plugin's own namespace where it is about namespaces. What has no names takes no \
pattern. A name of more than 128 bytes is compared with no pattern that has a `*`, but with `*` \
itself; denials hold for names of any length.

A plugin may do what its manifest asks for **and** its policy grants **and** no denial takes away. \
A package without `permissions` asks for nothing; an artifact without a package asks for \
everything. A plugin without `policy` has the preset `default`.
";

const ANSWERS: &str = "
## What a plugin is told

A field that it may not read is as if it were not there: reading it finds nothing, and a whole \
section comes without it. A property that is a field (`request.headers.cookie`, `request.path`, \
`response.code`) takes the permission for that field, too; one that sums fields up \
(`request.total_size`) that for all of them; and a map of fields comes without those that may not \
be read. A path with a NUL in a name is none. Any other call that is not allowed is refused, with the \
status that its interface has for that; a whole section is written or refused as a whole, and \
keeps the fields that the plugin may not write or cannot see.

A library, a child and what is compiled in are told that it is denied. The interface of Wasm has no \
such status: a change that is refused is answered `Ok` and not made, a call to a cluster \
`InternalFailure` (which a plugin of the Rust SDK reads as a limit that was reached), and a function \
that it may not call `NotFound`.

Each refusal is counted (`mortise_plugin_denied_total{plugin, permission}`) and logged, now and \
then, with what would grant it, or that no grant can name it. A section or a map that is shown \
without some fields is no refusal; one of which nothing may be read, though the plugin asks for \
some of it, is shown empty and is one, each time. With `mode: permissive` a refusal is counted and \
logged, for each field that would be hidden, too, and the call is carried out.

A child process is shown bodies and bytes whether it looks or not: those that it may not see count \
once for each body or direction. What it writes to its standard error is logged where it has `log`; \
else each line is counted and kept for the story of its end alone. What a library or a module calls \
to answer or end a stream has a status, and where that says that it was refused they go on; a child \
that does either is told nothing, and its stream ends under `on_error`, since a child that ended a \
stream says no more of it.
";

fn capabilities(text: &mut String) -> Written {
    text.write_str(
        "\n## Capabilities\n\n\
         | permission | pattern | lets a plugin | from preset | calls |\n\
         |---|---|---|---|---|\n",
    )?;
    for capability in Capability::ALL {
        let calls =
            HostCall::ALL.into_iter().filter(|call| call.capabilities().contains(&capability));
        let calls: Vec<_> = calls.map(|call| format!("`{}`", call.label())).collect();
        let calls =
            if calls.is_empty() { elsewhere(capability).to_owned() } else { calls.join(", ") };
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {calls} |",
            capability.word(),
            argument(capability.argument()),
            capability.summary(),
            from_preset(capability),
        )?;
    }
    text.write_str(
        "\n*From preset* is the narrowest preset that has it; the wider ones have it, too. *Calls* \
         are those of the host that take it, as `mortise_plugin_host_calls_total` names them.\n",
    )
}

fn argument(argument: Argument) -> &'static str {
    match argument {
        Argument::Header => "name of a field, in any case",
        Argument::Property => "path, joined by `.`",
        Argument::Cluster => "name of a cluster",
        Argument::Namespace => "namespace; without: its own",
        Argument::Variable => "name of a variable",
        Argument::Function => "name of a function",
        Argument::Path => "absolute path, and what is below",
        Argument::None | _ => "-",
    }
}

/// The narrowest preset that has a capability, and from which one on it has it for all names.
fn from_preset(capability: Capability) -> String {
    let first = |has: &dyn Fn(&Rights) -> bool| {
        Preset::ALL.into_iter().find(|one| has(&Rights::new(&Policy::of(*one), None, "")))
    };
    let some = first(&|rights| rights.report_of(capability).why_not.is_none());
    let whole = first(&|rights| rights.allows_all(capability));
    match (some, whole) {
        (None, _) => "-".to_owned(),
        (Some(some), Some(whole)) if whole != some => {
            format!("`{}`; all: `{}`", some.word(), whole.word())
        }
        (Some(some), _) => format!("`{}`", some.word()),
    }
}

/// Who asks for what no call takes.
fn elsewhere(capability: Capability) -> &'static str {
    let known = [
        (Capability::Environment, "as it is loaded"),
        (Capability::FilesRead, "as it is loaded: `process.sandbox.read`"),
        (Capability::Random, "WASI's"),
    ];
    known.into_iter().find(|(one, _asks)| *one == capability).map_or("-", |(_one, asks)| asks)
}

fn fields(text: &mut String) -> Written {
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
    writeln!(
        text,
        "\n## Fields of the host\n\n\
         - Fields that **route** a request ({}) take `route`, whatever else is granted. `host` of \
         a request is its `:authority`: what is said of one name holds for the other.\n\
         - Where a request is a frame of an RPC protocol, the fields that route it there ({}) take \
         `route`, too, in any case and with every codec; in HTTP they are ordinary. The codec of a \
         plugin cannot name others by which its servers route: deny those to the plugins that must \
         not change them (`headers.request.write:NAME`). What a body says of the call \
         `body.request.write` covers.\n\
         - Fields that **frame** a message or belong to one connection ({}) must be named by a \
         grant without a `*`, or take the preset `{}`. Even then the proxy frames what it sends: \
         no plugin makes an ambiguous message. One removal needs no grant, since SDKs make it before \
         they change a body: who may write the body of a side may remove the `content-length` of \
         its head, unless the policy denies that.\n\
         - Trailers count as the head's side that they follow.",
        list(&ROUTING).join(", "),
        list(&RPC_ROUTING).join(", "),
        list(&FRAMING).join(", "),
        Preset::Trusted.word(),
    )
}

fn presets(text: &mut String) -> Written {
    text.write_str("\n## Presets\n\n| preset | lets through |\n|---|---|\n")?;
    for preset in Preset::ALL {
        writeln!(text, "| `{}` | {} |", preset.word(), preset.summary())?;
    }
    text.write_str("\nEach has what the one before it has, and beside it:\n\n")?;
    let mut known = Vec::new();
    for preset in Preset::ALL {
        let grants = preset.grants();
        let new = grants.iter().filter(|grant| !known.contains(*grant));
        let new: Vec<_> = new.map(|grant| format!("`{grant}`")).collect();
        let new = if new.is_empty() { "nothing".to_owned() } else { new.join(", ") };
        writeln!(text, "- `{}`: {new}", preset.word())?;
        known = grants;
    }
    Ok(())
}

/// The ways of running, with the best kernel that there is.
const PLACES: [(&str, Runs); 3] = [
    ("wasm", Runs::Wasm),
    ("process, runner", Runs::Child { confined: true }),
    ("native, builtin", Runs::InProxy),
];

fn restrictions(text: &mut String) -> Written {
    text.write_str(
        "\n## Restrictions\n\n\
         The guard stands before every call on every backend. What a plugin does without a call, \
         its backend and the kernel must keep it from:\n\n\
         | restriction | is",
    )?;
    for (name, _runs) in PLACES {
        write!(text, " | {name}")?;
    }
    text.write_str(" |\n|---|---|---|---|---|\n")?;
    for restriction in Restriction::ALL {
        write!(text, "| `{}` | {}", restriction.word(), restriction.summary())?;
        for (_name, runs) in PLACES {
            write!(text, " | {}", holds(restriction, runs))?;
        }
        text.write_str(" |\n")?;
    }
    text.write_str(
        "\nA restriction that a policy states and that does not hold refuses the load, unless the \
         policy has it under `allow_unenforced`. Stated are: limits of memory, processor time and \
         tables that the policy writes, denials of `clock`, `random`, `files.read` and \
         `environment`, and for children in a sandbox files and network. A library in the proxy's own process is trusted: the calls \
         that it makes are guarded, what it does beside them nobody holds.\n",
    )?;
    let places = |places: &[&str]| {
        places.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join(", ")
    };
    writeln!(
        text,
        "\nWhatever its policy says, a child in a sandbox can read the directory that its artifact \
         lies in, the system's programs and libraries ({}), what of the machine programs read as \
         they start ({}), and what `/proc/self` tells of itself. A denial of one of these, or of \
         all of `files.read`, does not hold for it.",
        places(&SYSTEM),
        places(&FACTS),
    )
}

/// Whether a restriction holds, and on which kernels.
fn holds(restriction: Restriction, runs: Runs) -> &'static str {
    let best = KernelFacts {
        landlock: true,
        seccomp: true,
        cgroup_memory: true,
        cgroup_cpu: true,
        counts_processes: true,
    };
    let on = |kernel| Enforcement { runs, kernel }.holds(restriction);
    if restriction == Restriction::Table && runs != Runs::Wasm {
        return "has none";
    }
    if on(KernelFacts::default()) {
        return "yes";
    }
    if !on(best) {
        return "no";
    }
    if !on(KernelFacts { landlock: false, ..best }) {
        "with Landlock"
    } else if !on(KernelFacts { seccomp: false, ..best }) {
        "with seccomp"
    } else {
        "with a cgroup"
    }
}

#[cfg(test)]
mod tests;
