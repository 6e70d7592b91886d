//! Values under one lock, by key and by age.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// How old a value is; the least goes first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Age {
    /// A value without bytes is as good as none.
    pub(super) has_bytes: bool,
    /// The number of the change that set it; no two are equal.
    pub(super) set: u64,
}

/// Both maps have the same keys.
#[derive(Default)]
pub(super) struct Shard {
    entries: HashMap<Arc<[u8]>, Entry>,
    by_age: BTreeMap<Age, Arc<[u8]>>,
}

struct Entry {
    value: Arc<[u8]>,
    version: u32,
    age: Age,
}

/// A key with its value.
type Removed = (Arc<[u8]>, Arc<[u8]>);

impl Shard {
    pub(super) fn value(&self, key: &[u8]) -> Option<(Arc<[u8]>, u32)> {
        self.entries.get(key).map(|entry| (Arc::clone(&entry.value), entry.version))
    }

    /// Puts a value in; answers with the one before.
    pub(super) fn insert(
        &mut self,
        key: &[u8],
        value: Arc<[u8]>,
        version: u32,
        age: Age,
    ) -> Option<Arc<[u8]>> {
        let fresh = Entry { value, version, age };
        let Some(entry) = self.entries.get_mut(key) else {
            let key = Arc::<[u8]>::from(key);
            self.by_age.insert(age, Arc::clone(&key));
            self.entries.insert(key, fresh);
            return None;
        };
        let old = std::mem::replace(entry, fresh);
        let key = self.by_age.remove(&old.age).unwrap_or_else(|| key.into());
        self.by_age.insert(age, key);
        debug_assert_eq!(self.entries.len(), self.by_age.len(), "each key has one age");
        Some(old.value)
    }

    pub(super) fn oldest(&self) -> Option<Age> {
        self.by_age.first_key_value().map(|(age, _key)| *age)
    }

    pub(super) fn remove_oldest(&mut self) -> Option<Removed> {
        let (_age, key) = self.by_age.pop_first()?;
        let entry = self.entries.remove(&key)?;
        Some((key, entry.value))
    }
}
