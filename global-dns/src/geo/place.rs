//! What location databases say of an address, and the part of it that rules ask for.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

/// What is known of where an address is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Place {
    pub(crate) continent: Option<Key>,
    pub(crate) country: Option<Key>,
    /// The parts of the country, the largest first: a database names at most two (`GB-ENG`, then a county).
    pub(crate) regions: [Option<Key>; 2],
    pub(crate) asn: Option<Key>,
    /// Latitude and longitude in degrees.
    pub(crate) at: Option<(f64, f64)>,
}

/// What a rule can ask of a place, as one number: what it is about in the first byte, the code behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) fn continent(code: &str) -> Option<Self> {
        Self::text(1, &[code])
    }

    pub(crate) fn country(code: &str) -> Option<Self> {
        Self::text(2, &[code])
    }

    /// A part of a country, as in ISO 3166-2.
    pub(crate) fn region(country: &str, part: &str) -> Option<Self> {
        Self::text(3, &[country, "-", part])
    }

    pub(crate) fn asn(number: u32) -> Self {
        Self(4 << 56 | u64::from(number))
    }

    /// The code that it stands for.
    fn code(self) -> String {
        if self.0 >> 56 == 4 {
            return format!("AS{}", self.0 & u64::from(u32::MAX));
        }
        self.0.to_be_bytes()[1..].iter().filter(|byte| **byte != 0).map(|byte| char::from(*byte)).collect()
    }

    /// None for codes longer than seven bytes; those of the standards have six at most.
    fn text(about: u8, parts: &[&str]) -> Option<Self> {
        let mut key = u64::from(about);
        let mut n_bytes = 0;
        for byte in parts.iter().flat_map(|part| part.bytes()) {
            key = key << 8 | u64::from(byte);
            n_bytes += 1;
        }
        (n_bytes <= 7).then(|| Self(key << (8 * (7 - n_bytes))))
    }
}

/// What is asked of a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Continent, country or region.
    pub(crate) area: bool,
    pub(crate) asn: bool,
    pub(crate) at: bool,
}

impl Wanted {
    pub(crate) fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// What of it is not known yet.
    pub(super) fn without(self, place: &Place) -> Self {
        Self {
            area: self.area && place.country.is_none() && place.continent.is_none(),
            asn: self.asn && place.asn.is_none(),
            at: self.at && place.at.is_none(),
        }
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self { area: self.area || other.area, asn: self.asn || other.asn, at: self.at || other.at }
    }
}

/// The fields of a database's record that are read; texts stay where they are.
#[derive(Deserialize)]
pub(super) struct Entry<'a> {
    #[serde(borrow)]
    continent: Option<Continent<'a>>,
    #[serde(borrow)]
    country: Option<Coded<'a>>,
    #[serde(borrow, default)]
    subdivisions: Subdivisions<'a>,
    location: Option<At>,
    autonomous_system_number: Option<u32>,
}

#[derive(Deserialize)]
struct Continent<'a> {
    code: Option<&'a str>,
}

#[derive(Clone, Copy, Deserialize)]
struct Coded<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct At {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// The first two of a list, read without allocating.
#[derive(Default)]
struct Subdivisions<'a>([Option<&'a str>; 2]);

impl<'de: 'a, 'a> Deserialize<'de> for Subdivisions<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = [Option<&'de str>; 2];

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of parts of a country")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut codes = [None; 2];
                for code in &mut codes {
                    match list.next_element::<Coded<'de>>()? {
                        Some(part) => *code = part.iso_code,
                        None => return Ok(codes),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(codes)
            }
        }
        deserializer.deserialize_seq(Reader).map(Subdivisions)
    }
}

impl fmt::Display for Place {
    /// The codes of what is known, and the coordinates.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut known: Vec<String> = self.keys().map(Key::code).collect();
        known.extend(self.at.map(|(latitude, longitude)| format!("{latitude:.1} {longitude:.1}")));
        f.write_str(&known.join(", "))
    }
}

impl Place {
    /// Adds what an entry knows and was not known before.
    pub(super) fn add(&mut self, entry: &Entry<'_>) {
        if self.continent.is_none() && self.country.is_none() {
            self.continent = entry.continent.as_ref().and_then(|it| it.code).and_then(Key::continent);
            let country = entry.country.and_then(|it| it.iso_code);
            self.country = country.and_then(Key::country);
            self.regions = entry.subdivisions.0.map(|part| Key::region(country?, part?));
        }
        if self.asn.is_none() {
            self.asn = entry.autonomous_system_number.map(Key::asn);
        }
        if self.at.is_none() {
            self.at = entry.location.as_ref().and_then(|at| Some((at.latitude?, at.longitude?)));
        }
    }

    /// Everything that a rule can ask for.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        let [first, second] = self.regions;
        [self.continent, self.country, first, second, self.asn].into_iter().flatten()
    }
}
