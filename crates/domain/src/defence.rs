//! A crate's defences by name, so that a test can take one away and show what it was for.
//!
//! Deliberately not here: any defence. Each crate lists its own and each defence is where it holds.

/// Lists the defences of a crate: `Name = "its name in the table of faults"`.
///
/// Makes `Defence` and `off`. In the product every defence stands: `off` is `false` at compile time. In the crate's own
/// tests `take_away` takes one away in the running thread.
#[macro_export]
macro_rules! defences {
    ($($(#[$doc:meta])* $name:ident = $word:literal),* $(,)?) => {
        /// A defence that a test can take away.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(not(test), allow(dead_code, reason = "some are taken away by code that only tests are built with"))]
        pub(crate) enum Defence {
            $($(#[$doc])* $name,)*
        }

        #[cfg(test)]
        impl Defence {
            /// Every defence.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in the table of faults.
            pub(crate) const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }

        #[cfg(test)]
        thread_local! {
            static OFF: std::cell::Cell<Option<Defence>> = const { std::cell::Cell::new(None) };
        }

        /// Takes a defence away in this thread, or puts all back.
        #[cfg(test)]
        pub(crate) fn take_away(defence: Option<Defence>) {
            OFF.set(defence);
        }

        /// Whether a defence is taken away in this thread.
        #[cfg(test)]
        pub(crate) fn off(defence: Defence) -> bool {
            OFF.get() == Some(defence)
        }

        /// Whether a defence is taken away: never, because nothing in the product can.
        #[cfg(not(test))]
        pub(crate) const fn off(_: Defence) -> bool {
            false
        }
    };
}
