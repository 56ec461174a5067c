//! The TypeScript face of the API: every view and command type, and a map from command name to its two types.
//!
//! `cargo xtask bindings` writes the text to `ui/src/api/bindings.ts`; a test fails when the committed file differs.

use super::{command::*, view::*};
use std::{any::TypeId, collections::BTreeMap};
use ts_rs::{Config, TS, TypeVisitor};

struct Declarations<'a> {
    config: &'a Config,
    seen: BTreeMap<String, (TypeId, String)>,
}

impl TypeVisitor for Declarations<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Types without an output path are built in (string, Array, …) and need no declaration.
        if T::output_path().is_none() || self.seen.contains_key(&T::ident(self.config)) {
            return;
        }
        self.seen.insert(T::ident(self.config), (TypeId::of::<T>(), T::decl(self.config)));
        T::visit_dependencies(self);
    }
}

/// The whole text of `ui/src/api/bindings.ts`.
#[must_use]
pub fn typescript() -> String {
    let config = Config::new();
    let mut declarations = Declarations { config: &config, seen: BTreeMap::new() };
    let mut api = String::new();
    macro_rules! describe {
        ($($name:ident: $command:ty => $result:ty;)*) => {
            $(
                <$command as TS>::visit_dependencies(&mut declarations);
                declarations.visit::<$command>();
                <$result as TS>::visit_dependencies(&mut declarations);
                declarations.visit::<$result>();
                <$result as TS>::visit_generics(&mut declarations);
                api.push_str(&format!(
                    "  {}: {{ command: {}; result: {} }};\n",
                    stringify!($name), <$command as TS>::name(&config), <$result as TS>::name(&config),
                ));
            )*
        };
    }
    super::commands!(describe);
    declarations.visit::<FaultView>();
    FaultView::visit_dependencies(&mut declarations);

    let mut text = String::from(
        "// Generated from crates/engine/src/api by `cargo xtask bindings`; do not edit.\n\
         // Amounts are integers of minor units, instants are UTC microseconds; both are exact as numbers.\n\n",
    );
    for (_, declaration) in declarations.seen.values() {
        text.push_str(&format!("export {declaration}\n"));
    }
    text.push_str(&format!("\nexport interface Api {{\n{api}}}\n"));
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_typescript_is_what_the_list_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ui/src/api/bindings.ts");
        let text = super::typescript();
        if std::env::var_os("ZHIYOU_WRITE_BINDINGS").is_some() {
            std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), text, "run `cargo xtask bindings`");
    }
}
