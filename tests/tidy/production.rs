//! The production code of a source file: its text without comments, literals, and items that only tests compile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The production code of every source file below `dir`. A file that belongs to a test module is left out.
pub fn files(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut test_modules = BTreeSet::new();
    for path in super::sources(dir) {
        let code = code(&std::fs::read_to_string(&path).unwrap());
        let (production, modules) = without_test_items(&code);
        test_modules.extend(modules.iter().map(|module| module_path(&path, module)));
        files.push((path, production));
    }
    files.retain(|(path, _)| {
        let is_test = |module: &PathBuf| path.starts_with(module) || *path == module.with_extension("rs");
        !test_modules.iter().any(is_test)
    });
    files
}

/// Where the file or folder of `module`, which is declared in the file at `path`, lies: without its ending.
fn module_path(path: &Path, module: &str) -> PathBuf {
    let is_root =
        matches!(path.file_name().and_then(|name| name.to_str()), Some("mod.rs" | "lib.rs" | "main.rs"));
    let folder = if is_root { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    folder.join(module)
}

/// `text` with comments and the contents of literals replaced by spaces. Line feeds stay.
fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let length = comment_length(rest).or_else(|| literal_length(rest, text[..at].chars().next_back()));
        let Some(length) = length else {
            let next = rest.chars().next().unwrap();
            code.push(next);
            at += next.len_utf8();
            continue;
        };
        code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        at += length;
    }
    code
}

/// The length of the comment that `text` begins with. Block comments nest.
fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let mut depth = usize::from(text.starts_with("/*"));
    let mut at = 2;
    while depth > 0 && at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let step = if rest.starts_with("/*") || rest.starts_with("*/") { 2 } else { 1 };
        depth = if rest.starts_with("/*") { depth + 1 } else { depth - usize::from(rest.starts_with("*/")) };
        at += step;
    }
    text.starts_with("/*").then_some(at.min(text.len()))
}

/// The length of the string or character literal that `text` begins with, after the character `before`.
fn literal_length(text: &str, before: Option<char>) -> Option<usize> {
    let is_in_word = before.is_some_and(|before| before.is_alphanumeric() || before == '_');
    if let Some(raw) = text.strip_prefix('r').or_else(|| text.strip_prefix("br")).filter(|_| !is_in_word) {
        let hashes = raw.bytes().take_while(|byte| *byte == b'#').count();
        if let Some(body) = raw[hashes..].strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let prefix = text.len() - body.len();
            return Some(body.find(&end).map_or(text.len(), |found| prefix + found + end.len()));
        }
    }
    if text.starts_with('"') {
        return Some(quoted_length(text, b'"'));
    }
    // A lifetime has no closing quote: a character literal has one after a single character or an escape.
    let character = text.strip_prefix('\'')?;
    let is_literal = character.starts_with('\\') || character.chars().nth(1) == Some('\'');
    is_literal.then(|| quoted_length(text, b'\''))
}

fn quoted_length(text: &str, quote: u8) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' {
            bytes.next();
        } else if byte == quote {
            return at + 1;
        }
    }
    text.len()
}

/// `code` without the items that only tests compile, and the modules among these that have files of their own.
fn without_test_items(code: &str) -> (String, Vec<String>) {
    let (mut production, mut modules, mut rest) = (String::new(), Vec::new(), code);
    while let Some(found) = rest.find("#[cfg(") {
        let end = found + rest[found..].find(']').map_or(rest.len() - found, |end| end + 1);
        let is_test = is_of_tests(&rest[found..end]);
        production.push_str(if is_test { &rest[..found] } else { &rest[..end] });
        rest = &rest[end..];
        if is_test {
            let item = &rest[..item_length(rest)];
            if let Some(declaration) = item.trim_end().strip_suffix(';') {
                let mut words = words(declaration);
                if words.any(|word| word == "mod") {
                    modules.extend(words.next().map(str::to_owned));
                }
            }
            rest = &rest[item.len()..];
        }
    }
    production.push_str(rest);
    (production, modules)
}

/// Whether an attribute leaves an item to tests alone: `test`, or `all` with `test` in it, and nothing negated or alternative.
fn is_of_tests(attribute: &str) -> bool {
    let mut words = words(attribute).skip(1).peekable();
    let is_one_of_all = words.peek().is_some_and(|first| matches!(*first, "test" | "all"));
    is_one_of_all
        && words.any(|word| word == "test")
        && !["not(", "any("].iter().any(|other| attribute.contains(other))
}

/// The length of the item, statement or field that `code` begins with: up to a `;` or `,` outside of all brackets, or the
/// brace that closes its first one.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' | b')' | b']' if depth == 0 => return at,
            b'}' | b')' | b']' => depth -= 1,
            b';' | b',' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[test]
fn production_code_is_read_to_its_end_and_tests_are_left_out() {
    let text = r##"
        // Instant::now in a comment
        /* and /* nested */ Instant::now */
        const TEXT: &str = "Instant::now \" { ";
        const RAW: &str = r#"Instant::now " { "#;
        fn first<'a>(c: &'a char) -> bool { *c == '{' || *c == '\'' }
        #[cfg(test)]
        mod tests { fn inner() { let x = "}"; Instant::now(); } }
        #[cfg(all(test, unix))]
        fn helper() -> [u8; 2] { [0; 2] }
        struct S { #[cfg(test)] hook: Hook, real: Real }
        #[cfg(test)]
        pub mod suite;
        #[cfg(not(test))]
        fn shipped() { last() }
        #[cfg(any(test, feature = "x"))]
        fn shipped_too() { either() }
    "##;
    let (production, modules) = without_test_items(&code(text));
    assert!(!production.contains("Instant::now") && !production.contains("hook"), "{production}");
    assert!(!production.contains("helper") && production.contains("real: Real"), "{production}");
    assert!(production.contains("fn first") && production.contains("last()"), "{production}");
    assert!(production.contains("either()"), "{production}");
    assert_eq!(modules, ["suite"]);
}
