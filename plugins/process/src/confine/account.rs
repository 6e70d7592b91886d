//! Which user and group a child runs as, looked up when its plugin is loaded.
//!
//! Only the machine's own lists are read: who is known elsewhere (LDAP) is given by number.

use std::{
    fs::File,
    io::{self, Read},
};

use host_types::{Account, SandboxSettings};
use rustix::process::{getegid, geteuid};

use crate::launch::order::Identity;

/// Bytes of a list that are read.
const LIST_BYTES_MAX: u64 = 8 * 1024 * 1024;
const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// Why a child cannot run as who the configuration says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AccountError {
    /// The list was read, and has no such entry.
    #[error("`sandbox.{key}`: there is no `{name}` in {list}; give its number if it is elsewhere")]
    Unknown {
        /// `user` or `group`.
        key: &'static str,
        /// Who.
        name: String,
        /// Where it was looked for.
        list: &'static str,
    },
    /// A user's group is known only where the user is.
    #[error("`sandbox.user`: {USERS} has no user {0}, so its group is not known: give `group` too")]
    GroupUnknown(u32),
    /// Only root may start others.
    #[error(
        "`sandbox.user` and `sandbox.group` need a proxy that is started as root: this one is \
         user {0}, and its plugins can be no other"
    )]
    NotRoot(u32),
    /// The list cannot be read.
    #[error("cannot read {list}")]
    Unreadable {
        /// Which.
        list: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Who a child is to be; nothing where it stays who the proxy is.
pub(crate) fn identity(sandbox: &SandboxSettings) -> Result<Option<Identity>, AccountError> {
    let (user, group) = (sandbox.user.as_ref(), sandbox.group.as_ref());
    if !sandbox.enabled || user.is_none() && group.is_none() {
        return Ok(None);
    }
    let lists = Lists { users: read(USERS)?, groups: read(GROUPS)? };
    let own = Identity { user: geteuid().as_raw(), group: getegid().as_raw() };
    let wanted = lists.identity(user, group, own)?;
    if geteuid().is_root() {
        Ok(Some(wanted))
    } else if wanted == own {
        Ok(None)
    } else {
        Err(AccountError::NotRoot(own.user))
    }
}

fn read(list: &'static str) -> Result<String, AccountError> {
    let mut bytes = Vec::new();
    let read = File::open(list).and_then(|file| file.take(LIST_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_length) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        // A container may have none; then nobody has a name.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(AccountError::Unreadable { list, source }),
    }
}

/// The machine's own lists of users and groups.
struct Lists {
    users: String,
    groups: String,
}

/// An entry of a list: its number, and of a user the number of its group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Entry {
    number: u32,
    group: Option<u32>,
}

impl Lists {
    fn identity(
        &self,
        user: Option<&Account>,
        group: Option<&Account>,
        own: Identity,
    ) -> Result<Identity, AccountError> {
        let user = user.map(|account| find(&self.users, account, "user", USERS)).transpose()?;
        let group =
            group.map(|account| find(&self.groups, account, "group", GROUPS)).transpose()?;
        let group = match (group, user) {
            (Some(group), _) => group.number,
            (None, Some(user)) => user.group.ok_or(AccountError::GroupUnknown(user.number))?,
            (None, None) => own.group,
        };
        Ok(Identity { user: user.map_or(own.user, |user| user.number), group })
    }
}

fn find(
    list: &str,
    account: &Account,
    key: &'static str,
    path: &'static str,
) -> Result<Entry, AccountError> {
    let is_meant = |name: &str, number: u32| match account {
        Account::Number(wanted) => *wanted == number,
        Account::Name(wanted) => **wanted == *name,
    };
    let mut entries = list.lines().filter_map(entry);
    let found = entries.find(|(name, entry)| is_meant(name, entry.number));
    match (found, account) {
        (Some((_name, entry)), _) => Ok(entry),
        // A number need not be anybody's.
        (None, Account::Number(number)) => Ok(Entry { number: *number, group: None }),
        (None, Account::Name(name)) => {
            Err(AccountError::Unknown { key, name: name.to_string(), list: path })
        }
    }
}

/// `name:password:number:group:…`; in the list of groups the fourth are its members.
fn entry(line: &str) -> Option<(&str, Entry)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    let number = fields.nth(1)?.parse().ok()?;
    let group = fields.next().and_then(|group| group.parse().ok());
    Some((name, Entry { number, group }))
}

#[cfg(test)]
mod tests;
