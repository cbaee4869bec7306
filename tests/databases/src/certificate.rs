//! What lets a server prove who it is: an authority of its own, and a certificate for this machine that it vouches for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use data_encoding::BASE64;
use porpoise_databases::Engine;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The file of the authority's certificate.
pub(crate) const AUTHORITY: &str = "authority.pem";
/// The file of the server's certificate.
const CERTIFICATE: &str = "server.pem";
/// The file of the server's key.
const KEY: &str = "server.key";
/// What clients call the server.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// Writes the three files. The key of the authority is forgotten.
pub(crate) fn make(folder: &Path) -> anyhow::Result<()> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = &mut authority.distinguished_name;
    name.push(DnType::CommonName, "the authority of a test");
    let authority_key = KeyPair::generate()?;
    let itself = authority.self_signed(&authority_key)?;

    let mut server = CertificateParams::new(NAMES.map(str::to_owned))?;
    let name = &mut server.distinguished_name;
    name.push(DnType::CommonName, "a database of a test");
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?;

    write(folder, AUTHORITY, "CERTIFICATE", itself.der())?;
    write(folder, CERTIFICATE, "CERTIFICATE", certificate.der())?;
    write(folder, KEY, "PRIVATE KEY", &key.serialize_der())?;
    // PostgreSQL refuses a key that others can read
    fs::set_permissions(folder.join(KEY), fs::Permissions::from_mode(0o600)).context(KEY)
}

/// How a server is told of them.
pub(crate) fn options(engine: Engine, folder: &Path) -> Vec<String> {
    let certificate = folder.join(CERTIFICATE).display().to_string();
    let key = folder.join(KEY).display().to_string();
    match engine {
        Engine::Postgresql => vec![
            "-c".to_owned(),
            "ssl=on".to_owned(),
            "-c".to_owned(),
            format!("ssl_cert_file={certificate}"),
            "-c".to_owned(),
            format!("ssl_key_file={key}"),
        ],
        Engine::Mariadb => vec![
            format!("--ssl-cert={certificate}"),
            format!("--ssl-key={key}"),
        ],
    }
}

/// As text (PEM, RFC 7468).
fn write(folder: &Path, file: &str, label: &str, der: &[u8]) -> anyhow::Result<()> {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in BASE64.encode(der).as_bytes().chunks(64) {
        text += str::from_utf8(line)?;
        text.push('\n');
    }
    text += "-----END ";
    text += label;
    text += "-----\n";
    fs::write(folder.join(file), text).context(file.to_owned())
}
