//! Drives the tests of readers with inputs that libFuzzer finds.
//!
//! A test hands over its sound inputs, the words its reader knows, and what has to hold of every input; the first two are
//! written where libFuzzer looks for them. Deliberately not here: readers, and what they have to hold.

// Names libFuzzer's library for the linker.
use libfuzzer_sys as _;
use std::{
    cell::RefCell,
    ffi::{CString, c_char, c_int},
    path::{Path, PathBuf},
};

type Check<'a> = &'a mut dyn FnMut(&[u8]);

thread_local! {
    static CHECK: RefCell<Option<Check<'static>>> = const { RefCell::new(None) };
}

unsafe extern "C" {
    /// libFuzzer as a library. It ends the process.
    fn LLVMFuzzerRunDriver(
        count: *mut c_int,
        words: *mut *mut *mut c_char,
        one: extern "C" fn(*const u8, usize) -> c_int,
    ) -> c_int;
}

/// What a target of the usual kind would define, with this type; the library wants it, and nothing calls it.
#[allow(improper_ctypes_definitions)]
#[unsafe(no_mangle)]
pub extern "C" fn rust_fuzzer_test_input(_: &[u8]) -> c_int {
    -1
}

/// One input; a panic in here ends the process, and libFuzzer keeps the input.
extern "C" fn one(data: *const u8, size: usize) -> c_int {
    let input = if size == 0 {
        &[]
    } else {
        // SAFETY: libFuzzer gives `size` readable bytes at `data` that stay until this returns.
        unsafe { std::slice::from_raw_parts(data, size) }
    };
    CHECK.with_borrow_mut(|check| {
        if let Some(check) = check {
            check(input);
        }
    });
    0
}

/// Runs libFuzzer over a reader; it ends the process when it is done or the reader does what it must not.
///
/// # Panics
/// When what it starts from cannot be written.
pub fn drive(corpus: &[&[u8]], words: &[&str], check: &mut dyn FnMut(&[u8])) {
    let mut arguments: Vec<String> = std::env::args().collect();
    if let Some(folder) = arguments.iter().skip(1).map(Path::new).find(|path| path.is_dir()) {
        for (number, sound) in corpus.iter().enumerate() {
            std::fs::write(folder.join(format!("sound-{number}")), sound).expect("the corpus is written");
        }
    }
    let dictionary = dictionary(words);
    arguments.push(format!("-dict={}", dictionary.display()));
    let owned: Vec<CString> =
        arguments.into_iter().map(|word| CString::new(word).expect("an argument without a zero byte")).collect();
    let mut pointers: Vec<*mut c_char> = owned.iter().map(|word| word.as_ptr().cast_mut()).collect();
    let mut count = c_int::try_from(pointers.len()).expect("few arguments");
    pointers.push(std::ptr::null_mut());
    let mut words = pointers.as_mut_ptr();
    // SAFETY: the reference is taken out below, before what it refers to can be gone; the driver runs on this thread.
    let lasting = unsafe { std::mem::transmute::<Check<'_>, Check<'static>>(check) };
    CHECK.set(Some(lasting));
    // SAFETY: `count` and `words` are arguments as a program gets them, and live until this returns.
    let code = unsafe { LLVMFuzzerRunDriver(&raw mut count, &raw mut words, one) };
    CHECK.set(None);
    std::process::exit(code);
}

/// The words as libFuzzer reads them, in a file named like the program.
fn dictionary(words: &[&str]) -> PathBuf {
    let program = std::env::current_exe().expect("a program");
    let name = program.file_name().expect("a name").to_owned();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("words");
    std::fs::create_dir_all(&folder).expect("a folder");
    let quoted = |word: &&str| -> String { word.bytes().map(|byte| format!("\\x{byte:02X}")).collect() };
    let lines: String = words.iter().map(|word| format!("\"{}\"\n", quoted(word))).collect();
    let path = folder.join(name);
    std::fs::write(&path, lines).expect("the words are written");
    path
}
