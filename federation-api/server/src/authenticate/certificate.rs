//! Client certificates: the common name is the user, the organisations are the groups.
//!
//! TLS has already verified that our authority signed the certificate for client use.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::User;

/// Reads who a verified client certificate stands for; `None` when it names nobody.
pub(crate) fn user(certificate: &CertificateDer<'_>) -> Option<User> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok().filter(|name| !name.is_empty())?;
    let groups = subject.iter_organization().filter_map(|group| group.as_str().ok());
    Some(User::authenticated(name, groups.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Authority;

    #[test]
    fn reads_user_and_groups() {
        let keyed = Authority::ephemeral().unwrap().client_certificate("ann", "ops").unwrap();
        let der =
            rustls::pki_types::pem::PemObject::from_pem_slice(keyed.certificate_pem.as_bytes()).unwrap();
        let user = user(&der).unwrap();
        assert_eq!(user.name, "ann");
        assert_eq!(user.groups, ["ops", "system:authenticated"]);
    }
}
