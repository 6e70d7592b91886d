//! Certificates: the child's, marked as an authority as Go has them, and somebody else's.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use futures_util::{StreamExt as _, stream};
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P521_SHA512, SignatureAlgorithm,
};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::server::Connected;

use super::{
    fake::{Asked, Script, router},
    *,
};

/// A child's own certificate and key.
struct Own {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Own {
    fn new(algorithm: &'static SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { certificate: params.self_signed(&key).unwrap().into(), key }
    }

    fn acceptor(&self, version: &'static SupportedProtocolVersion) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        let key = provider.key_provider.load_private_key(key).unwrap();
        // Not checked to belong together.
        let pair = CertifiedKey::new(vec![self.certificate.clone()], key);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A stream that tonic's server takes.
struct Secured(TlsStream<UnixStream>);

impl Connected for Secured {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Starts on a child that shows the certificate `shown` and has that of `own`.
async fn start(
    own: &Own,
    shown: &CertificateDer<'_>,
    version: &'static SupportedProtocolVersion,
) -> Result<Control, GoPluginError> {
    let directory = directory();
    let socket = directory.path().join("plugin.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let acceptor = own.acceptor(version);
    let mut server = JoinSet::new();
    server.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let streams = stream::iter([Ok::<_, io::Error>(Secured(stream))]);
            let router = router(Script::default(), &Arc::new(Asked::default()));
            let served = router.serve_with_incoming(streams.chain(stream::pending()));
            Box::pin(served).await.unwrap();
        }
    });
    let shown = STANDARD_NO_PAD.encode(shown);
    let line = format!("1|1|unix|{}|grpc|{shown}\n", socket.display());
    let wanted = Wanted { mutual_tls: true, ..wanted(directory.path()) };
    let preparation = Preparation::new(wanted).unwrap();
    let sink = Written::new().sink();
    let started = preparation.start(1, std::process::id(), line.as_bytes(), sink, PATIENCE).await?;
    assert!(started.reach.tls.is_some());
    Ok(started.control)
}

#[tokio::test]
async fn the_certificate_that_was_shown_is_taken_on_each_curve_and_version() {
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P521_SHA512] {
        let own = Own::new(algorithm);
        for version in [&TLS12, &TLS13] {
            start(&own, &own.certificate, version).await.unwrap();
        }
    }
}

#[tokio::test]
async fn another_certificate_of_the_same_name_is_refused_at_once() {
    let (own, other) = (Own::new(&PKCS_ECDSA_P256_SHA256), Own::new(&PKCS_ECDSA_P256_SHA256));
    let error = start(&own, &other.certificate, &TLS13).await.unwrap_err();
    assert!(story(&error).contains("invalid peer certificate"), "{}", story(&error));
}

#[tokio::test]
async fn a_stolen_certificate_without_its_key_is_refused() {
    let (mut own, other) = (Own::new(&PKCS_ECDSA_P256_SHA256), Own::new(&PKCS_ECDSA_P256_SHA256));
    own.key = other.key;
    for version in [&TLS12, &TLS13] {
        let error = start(&own, &own.certificate, version).await.unwrap_err();
        assert!(story(&error).contains("BadSignature"), "{}", story(&error));
    }
}

#[tokio::test]
async fn bytes_that_are_no_certificate_are_refused() {
    let own = Own::new(&PKCS_ECDSA_P256_SHA256);
    let error = start(&own, &vec![7; 200].into(), &TLS13).await.unwrap_err();
    assert!(matches!(error, GoPluginError::Unreachable { .. }), "{error:?}");
}

#[test]
fn both_sides_or_none_have_a_certificate() {
    let directory = directory();
    let plain = wanted(directory.path());
    let mutual = Wanted { mutual_tls: true, ..plain };
    let check = |wanted, shown: Option<Vec<u8>>, expect: &str| {
        let error = Preparation::new(wanted).unwrap().tls(shown).unwrap_err();
        assert!(error.is_final());
        assert_eq!(error.to_string(), expect);
    };
    check(mutual, None, "it showed no certificate, but the configuration asks for mutual TLS");
    check(
        plain,
        Some(vec![1; 60]),
        "it showed a certificate, but the configuration does not ask for mutual TLS",
    );
    assert!(Preparation::new(plain).unwrap().tls(None).unwrap().is_none());
}

#[test]
fn the_environment_says_everything_and_each_start_has_a_certificate_of_its_own() {
    let directory = directory();
    let plain = wanted(directory.path());
    let pem = |preparation: &Preparation| {
        let certificate =
            preparation.environment().iter().find(|(name, _)| name == "PLUGIN_CLIENT_CERT");
        certificate.map(|(_, pem)| pem.clone())
    };
    let preparation = Preparation::new(plain).unwrap();
    let path = directory.path().to_str().unwrap();
    let ports = preparation.ports();
    assert!(ports.len() == 16 && *ports.start() >= 10_000 && *ports.end() <= 25_000, "{ports:?}");
    assert_ne!(Preparation::new(plain).unwrap().ports(), ports);
    let (first, last) = (ports.start().to_string(), ports.end().to_string());
    let expect = [
        ("MORTISE_TEST_PLUGIN", "0f8e6f6c"),
        ("PLUGIN_PROTOCOL_VERSIONS", "1"),
        ("PLUGIN_MIN_PORT", first.as_str()),
        ("PLUGIN_MAX_PORT", last.as_str()),
        ("PLUGIN_UNIX_SOCKET_DIR", path),
        ("TMPDIR", path),
    ];
    assert_eq!(
        preparation.environment(),
        expect.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(pem(&preparation), None);
    let mutual = Wanted { mutual_tls: true, ..plain };
    let first = pem(&Preparation::new(mutual).unwrap()).unwrap();
    let second = pem(&Preparation::new(mutual).unwrap()).unwrap();
    assert_ne!(first, second);
    CertificateDer::from_pem_slice(first.as_bytes()).unwrap();
}
