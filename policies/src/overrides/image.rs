//! The parts of an image reference, `registry/repository:tag@digest`, and how one of them is changed.

use koinon_model::overriding::{ImagePart, TextEdit};

/// An image reference in its parts; a part that is not there is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Image {
    registry: String,
    repository: String,
    tag: String,
    digest: String,
}

/// The reference with one part changed.
///
/// A new tag takes the place of a digest: the digest would keep the old image running under the new name.
///
/// # Errors
/// When nothing would be left of the repository.
pub(super) fn edited(reference: &str, part: ImagePart, edit: &TextEdit) -> Result<String, String> {
    let mut image = Image::read(reference);
    match part {
        ImagePart::Registry => change(&mut image.registry, edit),
        ImagePart::Repository => change(&mut image.repository, edit),
        ImagePart::Tag => image.change_tag(edit),
    }
    if image.repository.is_empty() {
        return Err(format!("image {reference:?} would have no repository"));
    }
    Ok(image.write())
}

fn change(text: &mut String, edit: &TextEdit) {
    match edit {
        TextEdit::Add(more) => text.push_str(more),
        TextEdit::Replace(new) => text.clone_from(new),
        TextEdit::Remove => text.clear(),
    }
}

impl Image {
    /// Source: distribution/reference: the first component is a registry when it has a dot or a colon, or is `localhost`.
    fn read(reference: &str) -> Self {
        let (name, digest) = reference.split_once('@').unwrap_or((reference, ""));
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            Some(_) | None => ("", name),
        };
        let (repository, tag) = path.rsplit_once(':').unwrap_or((path, ""));
        Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            digest: digest.to_owned(),
        }
    }

    fn change_tag(&mut self, edit: &TextEdit) {
        let pinned = self.tag.is_empty() && !self.digest.is_empty();
        match edit {
            TextEdit::Replace(new) if new.contains(':') => {
                (self.tag, self.digest) = (String::new(), new.clone());
            }
            TextEdit::Replace(new) => (self.tag, self.digest) = (new.clone(), String::new()),
            TextEdit::Add(more) if pinned => self.digest.push_str(more),
            TextEdit::Add(more) => {
                self.tag.push_str(more);
                self.digest.clear();
            }
            TextEdit::Remove => (self.tag, self.digest) = (String::new(), String::new()),
        }
    }

    fn write(&self) -> String {
        let mut text = String::new();
        if !self.registry.is_empty() {
            text.push_str(&self.registry);
            text.push('/');
        }
        text.push_str(&self.repository);
        for (mark, part) in [(':', &self.tag), ('@', &self.digest)] {
            if !part.is_empty() {
                text.push(mark);
                text.push_str(part);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_changed_alone() {
        let add = |text: &str| TextEdit::Add(text.into());
        let replace = |text: &str| TextEdit::Replace(text.into());
        let rows = [
            ("shop:1", ImagePart::Registry, replace("mirror:5000"), "mirror:5000/shop:1"),
            (
                "example.org/shop:1",
                ImagePart::Registry,
                replace("mirror.example.org"),
                "mirror.example.org/shop:1",
            ),
            ("example.org/a/shop:1", ImagePart::Registry, TextEdit::Remove, "a/shop:1"),
            ("example.org/shop", ImagePart::Registry, add(".eu"), "example.org.eu/shop"),
            ("localhost/shop", ImagePart::Registry, replace("b.c"), "b.c/shop"),
            ("library/shop:1", ImagePart::Repository, replace("other"), "other:1"),
            ("shop:1", ImagePart::Tag, replace("2"), "shop:2"),
            ("shop", ImagePart::Tag, replace("2"), "shop:2"),
            ("shop:1", ImagePart::Tag, add("-slim"), "shop:1-slim"),
            ("h:80/shop:1@sha256:aa", ImagePart::Tag, replace("2"), "h:80/shop:2"),
            ("shop@sha256:aa", ImagePart::Tag, replace("sha256:bb"), "shop@sha256:bb"),
            ("shop:1@sha256:aa", ImagePart::Tag, TextEdit::Remove, "shop"),
        ];
        for (image, part, edit, expected) in rows {
            assert_eq!(edited(image, part, &edit).as_deref(), Ok(expected), "{image} {part:?} {edit:?}");
        }
    }

    #[test]
    fn an_image_without_a_repository_is_refused() {
        assert!(edited("shop:1", ImagePart::Repository, &TextEdit::Remove).is_err());
    }
}
