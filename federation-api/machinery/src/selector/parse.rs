//! The grammar of label selectors.
//!
//! ```text
//! selector    = [ requirement { "," requirement } ]
//! requirement = [ "!" ] KEY | KEY ( "=" | "==" | "!=" | ">" | "<" ) VALUE | KEY ( "in" | "notin" ) "(" [ VALUE { "," VALUE } ] ")"
//! ```
//! `in` and `notin` are words like any other where a key or a value stands.

use std::collections::BTreeSet;

use super::Malformed;
use super::labels::{Operator, Requirement, key_error};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Open,
    Close,
    Comma,
    Not,
    /// A comparison, `in` and `notin` included.
    Compare(Operator),
    /// Symbols that are no operator.
    Unknown,
    End,
}

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
}

/// Reads all requirements of a selector's text.
pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, Malformed> {
    let mut tokens = Tokens { rest: text };
    let mut requirements = Vec::new();
    loop {
        let token = tokens.peek_word();
        match token.kind {
            Kind::End => return Ok(requirements),
            Kind::Word | Kind::Not => {
                let requirement = requirement(&mut tokens).map_err(|error| in_requirement(&error))?;
                requirements.push(requirement);
            }
            Kind::Open | Kind::Close | Kind::Comma | Kind::Compare(_) | Kind::Unknown => {
                return Err(found(token, "!, identifier, or 'end of string'"));
            }
        }
        let token = tokens.next_word();
        match token.kind {
            Kind::End => return Ok(requirements),
            Kind::Comma => {
                let next = tokens.peek_word();
                if !matches!(next.kind, Kind::Word | Kind::Not) {
                    return Err(found(next, "identifier after ','"));
                }
            }
            Kind::Word | Kind::Open | Kind::Close | Kind::Not | Kind::Compare(_) | Kind::Unknown => {
                return Err(found(token, "',' or 'end of string'"));
            }
        }
    }
}

fn requirement(tokens: &mut Tokens<'_>) -> Result<Requirement, Malformed> {
    let mut token = tokens.next_word();
    let is_negated = token.kind == Kind::Not;
    if is_negated {
        token = tokens.next_word();
    }
    if token.kind != Kind::Word {
        return Err(found(token, "identifier"));
    }
    let key = token.text.to_owned();
    if let Some(error) = key_error(&key, "<nil>") {
        return Err(Malformed::Requirement(error.to_string()));
    }
    if is_negated {
        return Requirement::new(key, Operator::DoesNotExist, BTreeSet::new());
    }
    if matches!(tokens.peek_word().kind, Kind::End | Kind::Comma) {
        return Requirement::new(key, Operator::Exists, BTreeSet::new());
    }
    let token = tokens.next();
    let Kind::Compare(operator) = token.kind else {
        return Err(found(token, "in, notin, =, ==, !=, gt, lt"));
    };
    let values = match operator {
        Operator::In | Operator::NotIn => set(tokens)?,
        Operator::Equals
        | Operator::DoubleEquals
        | Operator::NotEquals
        | Operator::GreaterThan
        | Operator::LessThan
        | Operator::Exists
        | Operator::DoesNotExist => single(tokens)?,
    };
    Requirement::new(key, operator, values)
}

fn single(tokens: &mut Tokens<'_>) -> Result<BTreeSet<String>, Malformed> {
    if matches!(tokens.peek_word().kind, Kind::End | Kind::Comma) {
        return Ok([String::new()].into());
    }
    let token = tokens.next_word();
    if token.kind != Kind::Word {
        return Err(found(token, "identifier"));
    }
    Ok([token.text.to_owned()].into())
}

fn set(tokens: &mut Tokens<'_>) -> Result<BTreeSet<String>, Malformed> {
    let token = tokens.next_word();
    if token.kind != Kind::Open {
        return Err(Malformed::Grammar(format!("found '{}' expected: '('", token.text)));
    }
    let mut values = BTreeSet::new();
    loop {
        let token = tokens.next_word();
        match token.kind {
            Kind::Word => {
                values.insert(token.text.to_owned());
                let next = tokens.next_word();
                match next.kind {
                    Kind::Comma => {}
                    Kind::Close => return Ok(values),
                    Kind::Word | Kind::Open | Kind::Not | Kind::Compare(_) | Kind::Unknown | Kind::End => {
                        return Err(found(next, "',' or ')'"));
                    }
                }
            }
            // Nothing between two separators is the empty value.
            Kind::Comma => {
                values.insert(String::new());
            }
            Kind::Close => {
                values.insert(String::new());
                return Ok(values);
            }
            Kind::Open | Kind::Not | Kind::Compare(_) | Kind::Unknown | Kind::End => {
                return Err(found(token, "',', ')' or identifier"));
            }
        }
    }
}

fn found(token: Token<'_>, expected: &str) -> Malformed {
    Malformed::Grammar(format!("found '{}', expected: {expected}", token.text))
}

fn in_requirement(error: &Malformed) -> Malformed {
    Malformed::Grammar(format!("unable to parse requirement: {error}"))
}

struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Token<'a> {
        let rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let token = match rest.chars().next() {
            None => Token { kind: Kind::End, text: "" },
            Some(first) if is_symbol(first) => symbol(rest),
            Some(_) => {
                let is_end =
                    |character| is_symbol(character) || matches!(character, ' ' | '\t' | '\r' | '\n');
                let text = &rest[..rest.find(is_end).unwrap_or(rest.len())];
                let kind = match text {
                    "in" => Kind::Compare(Operator::In),
                    "notin" => Kind::Compare(Operator::NotIn),
                    _ => Kind::Word,
                };
                Token { kind, text }
            }
        };
        self.rest = &rest[token.text.len()..];
        token
    }

    /// The next token where `in` and `notin` are plain words.
    fn next_word(&mut self) -> Token<'a> {
        let token = self.next();
        match token.kind {
            Kind::Compare(Operator::In | Operator::NotIn) => Token { kind: Kind::Word, ..token },
            _ => token,
        }
    }

    fn peek_word(&self) -> Token<'a> {
        Tokens { rest: self.rest }.next_word()
    }
}

fn is_symbol(character: char) -> bool {
    matches!(character, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

/// The longest operator at the start of `rest`.
fn symbol(rest: &str) -> Token<'_> {
    let known = [
        ("==", Kind::Compare(Operator::DoubleEquals)),
        ("!=", Kind::Compare(Operator::NotEquals)),
        ("=", Kind::Compare(Operator::Equals)),
        (">", Kind::Compare(Operator::GreaterThan)),
        ("<", Kind::Compare(Operator::LessThan)),
        ("!", Kind::Not),
        ("(", Kind::Open),
        (")", Kind::Close),
        (",", Kind::Comma),
    ];
    known
        .into_iter()
        .find(|(text, _)| rest.starts_with(text))
        .map_or(Token { kind: Kind::Unknown, text: rest }, |(text, kind)| Token { kind, text })
}
