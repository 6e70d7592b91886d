//! Names that the configuration gives. Cheap to clone: they travel with every stream.

use std::{fmt, sync::Arc};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The name of a plugin, as `plugins:` gives it.
    PluginName
}
name! {
    /// The name of a cluster, as `clusters:` gives it.
    ClusterName
}
name! {
    /// The name of a listener; its address where the configuration gives none.
    ListenerName
}
name! {
    /// The name of a protocol: one that is built in, or that of the plugin whose codec reads it.
    ProtocolName
}
