//! What a child of go-plugin finds in its environment, and the proxy's certificate for it.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use host_types::Transport;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{APP_VERSION, GoPluginError, pin};

/// Where the ports begin that go-plugin takes for children on TCP; below those that kernels give
/// to who asks for any.
const PORT_FIRST: u16 = 10_000;
/// How many ports one start may choose from. It takes the first that is free.
const PORTS: u16 = 16;
/// How many such choices there are.
const CHOICES: u16 = 937;
/// Counts starts, so that each has other ports.
static STARTS: AtomicU32 = AtomicU32::new(0);

/// What the configuration says of a child.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The variable that says that a host started it.
    pub(crate) cookie: (&'a str, &'a str),
    /// True where both sides make certificates and check them.
    pub(crate) mutual_tls: bool,
    /// Over what it is reached.
    pub(crate) transport: Transport,
    /// Its own directory; nobody else writes there.
    pub(crate) directory: &'a Path,
}

/// A child's start, before the child is there. For one start only: the certificate is its own.
#[derive(Debug)]
pub(crate) struct Preparation {
    environment: Vec<(String, String)>,
    identity: Option<Identity>,
    transport: Transport,
    directory: PathBuf,
    ports: RangeInclusive<u16>,
}

/// The proxy's certificate for one child, with its key.
#[derive(Debug)]
struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    pem: String,
}

impl Preparation {
    /// Makes what a start needs.
    pub(crate) fn new(wanted: Wanted<'_>) -> Result<Self, GoPluginError> {
        let identity = match wanted.mutual_tls {
            true => Some(identity().map_err(|error| GoPluginError::Identity(error.into()))?),
            false => None,
        };
        let ports = ports();
        let environment = environment(wanted, identity.as_ref(), &ports);
        let directory = wanted.directory.to_path_buf();
        Ok(Self { environment, identity, transport: wanted.transport, directory, ports })
    }

    /// The variables that the child is launched with, beside those of the configuration, before
    /// which they go.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// The ports that the child may listen at, beside one that the kernel chooses.
    pub(crate) fn ports(&self) -> RangeInclusive<u16> {
        self.ports.clone()
    }

    pub(super) fn transport(&self) -> Transport {
        self.transport
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The TLS of all connections to the child that has shown `certificate`.
    pub(super) fn tls(
        &self,
        certificate: Option<Vec<u8>>,
    ) -> Result<Option<Arc<rustls::ClientConfig>>, GoPluginError> {
        match (&self.identity, certificate) {
            (None, None) => Ok(None),
            (Some(identity), Some(peer)) => {
                let key = PrivateKeyDer::Pkcs8(identity.key.clone_key());
                pin::client(peer.into(), identity.certificate.clone(), key)
                    .map(|config| Some(Arc::new(config)))
                    .map_err(|error| GoPluginError::Identity(error))
            }
            (Some(_), None) => Err(GoPluginError::Certificate(
                "it showed no certificate, but the configuration asks for mutual TLS",
            )),
            (None, Some(_)) => Err(GoPluginError::Certificate(
                "it showed a certificate, but the configuration does not ask for mutual TLS",
            )),
        }
    }
}

/// Ports for one start. Proxies and starts that follow each other have different ones; what is
/// taken all the same the child passes over.
fn ports() -> RangeInclusive<u16> {
    let start = std::process::id().wrapping_add(STARTS.fetch_add(1, Ordering::Relaxed));
    let choice = u16::try_from(start % u32::from(CHOICES)).unwrap_or_default();
    let first = PORT_FIRST.saturating_add(choice.saturating_mul(PORTS));
    first..=first.saturating_add(PORTS - 1)
}

fn environment(
    wanted: Wanted<'_>,
    identity: Option<&Identity>,
    ports: &RangeInclusive<u16>,
) -> Vec<(String, String)> {
    let directory = wanted.directory.to_string_lossy();
    let mut variables = vec![
        (wanted.cookie.0.to_owned(), wanted.cookie.1.to_owned()),
        ("PLUGIN_PROTOCOL_VERSIONS".to_owned(), APP_VERSION.to_string()),
        ("PLUGIN_MIN_PORT".to_owned(), ports.start().to_string()),
        ("PLUGIN_MAX_PORT".to_owned(), ports.end().to_string()),
        ("PLUGIN_UNIX_SOCKET_DIR".to_owned(), directory.clone().into_owned()),
        // Children that are older than the variable above ask the system.
        ("TMPDIR".to_owned(), directory.into_owned()),
    ];
    if let Some(identity) = identity {
        variables.push(("PLUGIN_CLIENT_CERT".to_owned(), identity.pem.clone()));
    }
    variables
}

/// A certificate as go-plugin's own hosts make it, on a curve that every side has.
fn identity() -> Result<Identity, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(["localhost".to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.distinguished_name.push(DnType::OrganizationName, "Mortise");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyAgreement,
        KeyUsagePurpose::KeyCertSign,
    ];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    Ok(Identity {
        pem: certificate.pem(),
        certificate: certificate.into(),
        key: key.serialize_der().into(),
    })
}
