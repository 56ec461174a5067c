//! Saying to the system which program takes our links, where no package said it.
//!
//! On Linux the entry is our own and not the plugin's, which names it after the program and writes every path quoted: a build
//! for developers would take the place of the installed app's entry, and without a desktop environment `xdg-open` cannot
//! start a quoted path. Deliberately not here: what becomes of a link.

use tauri::{AppHandle, Runtime};

/// Registers this program for its links.
#[cfg(any(target_os = "linux", target_os = "windows"))]
pub(super) fn register<R: Runtime>(app: &AppHandle<R>) {
    #[cfg(target_os = "linux")]
    let registered = linux::write_entry(app).map_err(|error| error.to_string());
    #[cfg(target_os = "windows")]
    let registered =
        tauri_plugin_deep_link::DeepLinkExt::deep_link(app).register_all().map_err(|error| error.to_string());
    if let Err(error) = registered {
        tracing::warn!(error, "links to the app could not be registered; sign-in by local address still works");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        io::{Error, Result},
        path::{Path, PathBuf},
        process::Command,
    };
    use tauri::{AppHandle, Manager, Runtime};
    use zhiyou_engine::app::SCHEME;

    /// Writes the entry of this program, unless it is there already, and makes it the one for our links.
    pub(super) fn write_entry<R: Runtime>(app: &AppHandle<R>) -> Result<()> {
        let program = match app.env().appimage {
            Some(image) => PathBuf::from(image),
            None => std::env::current_exe()?,
        };
        let name = app.config().product_name.as_deref().unwrap_or(SCHEME);
        let text = entry(name, &program).ok_or_else(|| Error::other("the program's path cannot be in an entry"))?;
        let folder = app.path().data_dir().map_err(Error::other)?.join("applications");
        let file = format!("{SCHEME}-handler.desktop");
        std::fs::create_dir_all(&folder)?;
        if std::fs::read_to_string(folder.join(&file)).ok().as_ref() != Some(&text) {
            std::fs::write(folder.join(&file), text)?;
        }
        // It only makes searching faster, and is not on every machine.
        let _ = Command::new("update-desktop-database").arg(&folder).status();
        let kind = format!("x-scheme-handler/{SCHEME}");
        let status = Command::new("xdg-mime").args(["default", &file, &kind]).status()?;
        if status.success() { Ok(()) } else { Err(Error::other(format!("xdg-mime: {status}"))) }
    }

    /// The entry of a program, as the Desktop Entry Specification writes it; none for a path that no entry can hold.
    pub(super) fn entry(name: &str, program: &Path) -> Option<String> {
        let exec = exec(program.to_str()?)?;
        Some(format!(
            "[Desktop Entry]\nType=Application\nName={name}\nExec={exec} %u\nTerminal=false\n\
             MimeType=x-scheme-handler/{SCHEME}\nNoDisplay=true\n"
        ))
    }

    /// A path is quoted only if it has to be.
    fn exec(path: &str) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ',');
        if path.chars().all(plain) {
            return Some(path.to_owned());
        }
        if path.chars().any(char::is_control) {
            return None;
        }
        // Quoted once as an argument, and each backslash once more as part of a text.
        let escaped = path.chars().map(|c| match c {
            '\\' => "\\\\\\\\".to_owned(),
            '"' | '`' | '$' => format!("\\\\{c}"),
            '%' => "%%".to_owned(),
            c => c.to_string(),
        });
        Some(format!("\"{}\"", escaped.collect::<String>()))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_path_is_quoted_only_if_it_has_to_be() {
            let exec = |path: &str| {
                let entry = entry("Zhiyou", Path::new(path))?;
                Some(entry.lines().find_map(|line| line.strip_prefix("Exec=")).unwrap().to_owned())
            };
            assert_eq!(exec("/opt/z/zhiyou").as_deref(), Some("/opt/z/zhiyou %u"));
            assert_eq!(exec("/opt/my apps/zhiyou").as_deref(), Some("\"/opt/my apps/zhiyou\" %u"));
            assert_eq!(exec("/opt/智游/$x/50%").as_deref(), Some(r#""/opt/智游/\\$x/50%%" %u"#));
            assert_eq!(exec(r#"/opt/a"b\c"#).as_deref(), Some(r#""/opt/a\\"b\\\\c" %u"#));
            assert_eq!(exec("/opt/zhiyou\nExec=/bin/evil"), None);
        }

        #[test]
        fn an_entry_is_for_the_links_of_this_build_alone() {
            let entry = entry("Zhiyou", Path::new("/opt/z/zhiyou")).unwrap();
            let kinds: Vec<_> = entry.lines().filter_map(|line| line.strip_prefix("MimeType=")).collect();
            assert_eq!(kinds, [format!("x-scheme-handler/{SCHEME}")]);
        }
    }
}
