//! Rust source with comments and the insides of strings blanked, so that what remains is code.

/// A source file's code. Shape: as many characters and lines as the file had.
pub(crate) struct Source {
    pub code: Vec<char>,
}

impl Source {
    /// Blanks comments, strings and character literals; line breaks stay.
    pub(crate) fn parse(text: &str) -> Self {
        let mut scanner =
            Scanner { text: text.chars().collect(), at: 0, code: Vec::with_capacity(text.len()) };
        while scanner.at < scanner.text.len() {
            scanner.step();
        }
        Self { code: scanner.code }
    }

    /// The code of each line.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.code.split(|character| *character == '\n').map(|line| line.iter().collect())
    }
}

struct Scanner {
    text: Vec<char>,
    at: usize,
    code: Vec<char>,
}

impl Scanner {
    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some('/'), Some('/')) => self.blank_until(|scanner| scanner.peek(0) == Some('\n')),
            (Some('/'), Some('*')) => self.block_comment(),
            (Some('"'), _) => self.string(),
            (Some('r'), Some('"' | '#')) if self.starts_a_word() => self.raw_string(),
            (Some('\''), _) => self.character_or_lifetime(),
            _ => self.keep(),
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        self.code.extend(self.peek(0));
        self.at += 1;
    }

    fn blank(&mut self) {
        let kept = self.peek(0).map(|character| if character == '\n' { '\n' } else { ' ' });
        self.code.extend(kept);
        self.at += 1;
    }

    fn blank_until(&mut self, ends: impl Fn(&Self) -> bool) {
        while self.at < self.text.len() && !ends(self) {
            self.blank();
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                _ => {
                    self.blank();
                    continue;
                }
            }
            self.blank();
            self.blank();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.keep();
        while let Some(character) = self.peek(0) {
            match character {
                '"' => return self.keep(),
                '\\' => {
                    self.blank();
                    self.blank();
                }
                _ => self.blank(),
            }
        }
    }

    /// `r"…"` or `r#"…"#`; `r#name` is a name.
    fn raw_string(&mut self) {
        let n_hashes = self.text[self.at + 1..].iter().take_while(|character| **character == '#').count();
        if self.peek(1 + n_hashes) != Some('"') {
            return self.keep();
        }
        for _ in 0..n_hashes + 2 {
            self.keep();
        }
        let ends = |scanner: &Self| {
            scanner.peek(0) == Some('"') && (1..=n_hashes).all(|ahead| scanner.peek(ahead) == Some('#'))
        };
        self.blank_until(ends);
        for _ in 0..=n_hashes {
            self.keep();
        }
    }

    fn character_or_lifetime(&mut self) {
        self.keep();
        match (self.peek(0), self.peek(1)) {
            (Some('\\'), _) => {
                self.blank();
                self.blank();
                self.blank_until(|scanner| scanner.peek(0) == Some('\''));
                self.keep();
            }
            (Some(_), Some('\'')) => {
                self.blank();
                self.keep();
            }
            _ => {}
        }
    }

    /// Whether an `r` here may begin a raw string: not inside a name, `br` and `cr` allowed.
    fn starts_a_word(&self) -> bool {
        let before = |behind: usize| self.at.checked_sub(behind).map(|at| self.text[at]);
        match before(1) {
            Some('b' | 'c') => !before(2).is_some_and(is_word),
            Some(character) => !is_word(character),
            None => true,
        }
    }
}

/// Whether the character can be part of a name.
pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_remains() {
        let table = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x{", y)"#, r#"f("  ", y)"#),
            (r#"f("\"{", y)"#, r#"f("   ", y)"#),
            (r###"f(r#"a"b"#, y)"###, r###"f(r#"   "#, y)"###),
            (r###"f(br"\", y)"###, r###"f(br" ", y)"###),
            ("r#type + bar\"{\"", "r#type + bar\" \""),
            ("'{' + '\\'' + '\\u{7b}' + x", "' ' + '  ' + '      ' + x"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("\"é\n{\"", "\" \n \""),
        ];
        for (text, code) in table {
            assert_eq!(Source::parse(text).code.iter().collect::<String>(), code, "{text}");
        }
    }
}
