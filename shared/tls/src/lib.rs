//! TLS of whatever this machine speaks to by itself: the rustls that is in the tree anyway, with the roots that the
//! machine trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
//!
//! [`client_config`] is for anybody; [`Tls`] puts it under the HTTP client.
//!
//! Left out on purpose: certificates of clients, and any way to trust a server that nobody vouches for.

mod connector;

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

pub use connector::{Around, Tls};

/// There can be no TLS here.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// This machine trusts nobody.
    #[error(
        "this machine trusts no authority, so no server can prove who it is: install `ca-certificates`, or name a file of \
         certificates in SSL_CERT_FILE"
    )]
    NoRoots(Vec<String>),
    /// A bug of ours.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// The roots of this machine, as they are encoded (DER).
///
/// # Errors
/// There are none.
pub fn roots() -> Result<Vec<Vec<u8>>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoRoots(why));
    }
    let roots = found.certs.iter();
    Ok(roots.map(|root| root.as_ref().to_vec()).collect())
}

/// With the roots of this machine.
///
/// # Errors
/// There are none.
pub fn client_config() -> Result<Arc<ClientConfig>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // single ones that cannot be read are left out, as programs everywhere do
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoRoots(why));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
