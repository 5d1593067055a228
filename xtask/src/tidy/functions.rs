//! How long each function is, from its `fn` to its closing brace.

use super::source::{Source, is_word};

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub name: String,
    /// Where it starts, counted from 1.
    pub line: usize,
    pub n_lines: usize,
}

/// Finds every function that has a body, nested ones too, in order.
pub(crate) fn find(source: &Source) -> Vec<Function> {
    let code = &source.code;
    let mut found = Vec::new();
    let mut line = 1;
    for at in 0..code.len() {
        if code[at] == '\n' {
            line += 1;
        }
        let Some(name) = name_of_function(code, at) else { continue };
        let Some(end) = body_end(code, at) else { continue };
        let n_lines = 1 + code[at..end].iter().filter(|character| **character == '\n').count();
        found.push(Function { name, line, n_lines });
    }
    found
}

/// The name after a `fn` at `at`; a function pointer's type has none.
fn name_of_function(code: &[char], at: usize) -> Option<String> {
    let starts = code[at..].starts_with(&['f', 'n']) && (at == 0 || !is_word(code[at - 1]));
    let after = code.get(at + 2)?;
    if !starts || !after.is_whitespace() {
        return None;
    }
    let rest = code[at + 2..].iter().skip_while(|character| character.is_whitespace());
    let name: String = rest.take_while(|character| is_word(**character) || **character == '#').collect();
    (!name.is_empty()).then_some(name)
}

/// Where the body that starts after `at` ends; a declaration without a body has none.
fn body_end(code: &[char], at: usize) -> Option<usize> {
    let mut depth_brackets = 0;
    let mut depth_braces = 0;
    for (offset, character) in code[at..].iter().enumerate() {
        match character {
            '(' | '[' => depth_brackets += 1,
            ')' | ']' => depth_brackets -= 1,
            ';' if depth_brackets == 0 && depth_braces == 0 => return None,
            '{' => depth_braces += 1,
            '}' => {
                depth_braces -= 1;
                if depth_braces == 0 && depth_brackets == 0 {
                    return Some(at + offset);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &str) -> Vec<(String, usize, usize)> {
        let functions = find(&Source::parse(text));
        functions.into_iter().map(|function| (function.name, function.line, function.n_lines)).collect()
    }

    #[test]
    fn counts_from_the_name_to_the_closing_brace() {
        let text = "impl A {\n    pub fn a(\n        x: [u8; 2],\n    ) -> u8 {\n        x[0]\n    }\n}\nfn b() {}\n";
        assert_eq!(lengths(text), [("a".to_owned(), 2, 5), ("b".to_owned(), 8, 1)]);
    }

    #[test]
    fn braces_in_strings_do_not_count() {
        assert_eq!(lengths("fn a() {\n    let x = \"}\";\n    // }\n}\n"), [("a".to_owned(), 1, 4)]);
    }

    #[test]
    fn declarations_and_pointers_are_no_functions() {
        assert_eq!(lengths("trait T {\n    fn a(&self);\n}\ntype F = fn(u8) -> u8;\n"), []);
    }

    #[test]
    fn a_nested_function_is_counted_in_both() {
        let text = "fn a() {\n    fn b() {\n    }\n}\n";
        assert_eq!(lengths(text), [("a".to_owned(), 1, 4), ("b".to_owned(), 2, 2)]);
    }
}
