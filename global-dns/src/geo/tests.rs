//! Location databases, made here: what they say, and what becomes of a file that changes.

use maxminddb_writer::Database as Writer;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use serde::Serialize;
use serde_json::json;

use super::*;

/// A database of this type with these networks; those of IPv4 are written in the form `::192.0.2.0/120`.
fn database<T: Serialize>(kind: &str, entries: &[(&str, T)]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.metadata.ip_version = IpVersion::V6;
    writer.metadata.database_type = kind.to_owned();
    writer.metadata.binary_format_major_version = 2;
    for (network, entry) in entries {
        let entry = writer.insert_value(entry).expect("it can be written");
        writer.insert_node(network.parse::<IpAddrWithMask>().expect("a network"), entry);
    }
    writer.write_to(Vec::new()).expect("memory takes all")
}

/// Networks of documentation in a few places.
pub(crate) fn cities() -> Vec<u8> {
    database(
        "Test-City",
        &[
            (
                "::192.0.2.0/120",
                json!({"continent": {"code": "EU"}, "country": {"iso_code": "DE", "names": {"en": "Germany"}},
                       "subdivisions": [{"iso_code": "BE"}, {"iso_code": "X1"}, {"iso_code": "X2"}],
                       "location": {"latitude": 52.5, "longitude": 13.4, "time_zone": "Europe/Berlin"}}),
            ),
            (
                "::198.51.100.0/121",
                json!({"continent": {"code": "NA"}, "country": {"iso_code": "US"},
                       "subdivisions": [{"iso_code": "CA"}],
                       "location": {"latitude": 37.8, "longitude": -122.4}}),
            ),
            ("::198.51.100.128/121", json!({"continent": {"code": "NA"}, "country": {"iso_code": "US"}})),
            ("2001:db8::/33", json!({"continent": {"code": "AS"}, "country": {"iso_code": "JP"}})),
        ],
    )
}

fn networks() -> Vec<u8> {
    /// The format knows how wide a number is, which JSON does not.
    #[derive(Serialize)]
    struct Entry {
        autonomous_system_number: u32,
    }
    database("Test-ASN", &[("::192.0.2.0/122", Entry { autonomous_system_number: 64500 })])
}

const EVERYTHING: Wanted = Wanted { area: true, asn: true, at: true };

fn located(atlas: &Atlas, address: &str, wanted: Wanted) -> (String, u8) {
    let Located { place, n_bits } = atlas.locate(address.parse().unwrap(), wanted);
    (place.to_string(), n_bits)
}

#[test]
fn what_is_known_holds_for_the_narrowest_network_that_was_looked_at() {
    let of = |bytes: Vec<u8>| Database { reader: Reader::from_source(bytes).unwrap() };
    let atlas = Atlas { databases: vec![of(cities()), of(networks())] };
    let area = Wanted { area: true, ..Wanted::default() };
    for (address, wanted, known, n_bits) in [
        ("192.0.2.1", area, "EU, DE, DE-BE, DE-X1, 52.5 13.4", 24),
        ("192.0.2.1", EVERYTHING, "EU, DE, DE-BE, DE-X1, AS64500, 52.5 13.4", 26),
        ("192.0.2.200", EVERYTHING, "EU, DE, DE-BE, DE-X1, 52.5 13.4", 25),
        ("198.51.100.200", area, "NA, US", 25),
        ("::ffff:192.0.2.1", area, "EU, DE, DE-BE, DE-X1, 52.5 13.4", 24),
        ("2001:db8:1::1", area, "AS, JP", 33),
        ("2001:db8:8000::1", area, "", 33),
        ("192.0.2.1", Wanted::default(), "", 0),
    ] {
        assert_eq!(located(&atlas, address, wanted), (known.to_owned(), n_bits), "{address} {wanted:?}");
    }
    assert_eq!(located(&Atlas::default(), "192.0.2.1", EVERYTHING), (String::new(), 0));
}

#[test]
fn what_is_no_database_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cities.mmdb");
    let refused = |file: &Path| Atlas::open(&[file.to_owned()]).err().map(|error| error.to_string());
    assert!(refused(&file).is_some_and(|told| told.contains("cities.mmdb")));
    fs::write(&file, "cities").unwrap();
    assert!(refused(&file).is_some_and(|told| told.contains("MaxMind DB format")));
    fs::write(&file, cities()).unwrap();
    assert_eq!(refused(&file), None);
}

#[test]
fn a_database_is_read_again_when_its_file_changes_and_a_broken_one_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cities.mmdb");
    fs::write(&file, networks()).unwrap();
    let mut opened = Opened::read(vec![file.clone()]).unwrap();
    assert_eq!(opened.atlas.names().collect::<Vec<_>>(), ["Test-ASN"]);
    assert!(opened.look().is_ok_and(|news| news.is_none()), "nothing has changed");
    fs::write(&file, "half a file").unwrap();
    assert!(opened.look().is_err());
    assert!(opened.look().is_ok_and(|news| news.is_none()), "it is told once");
    assert_eq!(opened.atlas.names().collect::<Vec<_>>(), ["Test-ASN"], "the last one stays");
    fs::write(&file, cities()).unwrap();
    let news = opened.look().unwrap().unwrap();
    assert_eq!(news.names().collect::<Vec<_>>(), ["Test-City"]);
}
