//! Pairs of files: those that are shown, and those that are not.

use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

/// A certificate and its key in PEM.
fn made(name: &str) -> (String, String) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_after = date_time_ymd(2040, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Writes both and says where.
fn written(folder: &Path, certificate: &str, key: &str) -> [PathBuf; 2] {
    let files = [folder.join("tls.crt"), folder.join("tls.key")];
    fs::write(&files[0], certificate).unwrap();
    fs::write(&files[1], key).unwrap();
    files
}

#[test]
fn a_pair_that_cannot_be_used_says_which_file_and_what_is_expected() {
    let folder = tempfile::tempdir().unwrap();
    let ((certificate, key), (other, _)) = (made("ns1.example"), made("ns2.example"));
    for (certificate, key, wanted) in [
        ("", key.as_str(), "tls.crt must hold a certificate in PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key, "tls.crt must hold"),
        (&key, &key, "tls.crt must hold a certificate in PEM"),
        (&certificate, "", "tls.key must hold an unencrypted private key"),
        (&certificate, &certificate, "tls.key must hold an unencrypted private key"),
        (&other, &key, "tls.key is not that of the certificate in"),
    ] {
        let [at, key_at] = written(folder.path(), certificate, key);
        let error = Identity::load(at, key_at).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let [at, _] = written(folder.path(), &certificate, &key);
    let error = Identity::load(at, folder.path().join("none")).unwrap_err();
    assert!(chain(&error).contains("none: No such file"), "{}", chain(&error));
}

#[test]
fn each_change_is_seen_once_and_a_broken_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = made("ns1.example");
    let files = written(folder.path(), &certificate, &key);
    let identity = Identity::load(files[0].clone(), files[1].clone()).unwrap();
    assert_eq!(identity.pair.expiry, 2_208_988_800);
    let mut seen = Seen::Files(identity.pair.files);
    assert!(look(&files, &seen).is_none());

    let (next, next_key) = made("ns1.example");
    // Half of the change: the key is that of the one before.
    written(folder.path(), &next, &key);
    let (now_seen, found) = look(&files, &seen).unwrap();
    assert!(matches!(found, Err(IdentityError::Mismatch { .. })));
    seen = now_seen;
    assert!(look(&files, &seen).is_none());

    fs::remove_file(&files[1]).unwrap();
    let (now_seen, found) = look(&files, &seen).unwrap();
    assert!(matches!(found, Err(IdentityError::File { .. })));
    seen = now_seen;
    assert!(look(&files, &seen).is_none());

    written(folder.path(), &next, &next_key);
    let (_, found) = look(&files, &seen).unwrap();
    let shown = found.unwrap().shown;
    assert_eq!(shown.cert[0], CertificateDer::from_pem_slice(next.as_bytes()).unwrap());
}
