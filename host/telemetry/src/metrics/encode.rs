//! From shards to text.

use std::{collections::BTreeMap, fmt, sync::Arc};

use host_types::{ClusterName, ListenerName, ProtocolName};
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet, text,
    },
    metrics::{MetricType, exemplar::Exemplar},
    registry::Registry,
};

use super::{Metrics, PluginKey, WorkerShards};
use crate::{
    ClusterMetrics, ListenerMetrics, PluginMetrics, ProtocolMetrics,
    cell::HistogramSum,
    names::{
        BACKEND_LABEL, BUILD, CLUSTER, CLUSTER_LABEL, CONTROL, Family, LISTENER, LISTENER_LABEL,
        PLUGIN, PLUGIN_LABEL, PROTOCOL, PROTOCOL_LABEL, Read, START_TIME,
    },
};

/// The labels of one series.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// The shards of one thing on all threads, with the labels that name it.
struct Series<T> {
    labels: Labels,
    shards: Vec<Arc<T>>,
}

pub(super) fn encode(metrics: &Metrics) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Sums(metrics.clone())));
    let mut text = String::new();
    let written = text::encode(&mut text, &registry);
    // Writing into a string does not fail, and all values can be shown.
    debug_assert!(written.is_ok(), "metrics can be encoded");
    text
}

/// Sums the shards whenever it is asked.
#[derive(Debug)]
struct Sums(Metrics);

impl Collector for Sums {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let inner = &self.0.0;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        encoder
            .encode_descriptor(BUILD.0, BUILD.1, None, MetricType::Info)?
            .encode_info(&version)?;
        encoder
            .encode_descriptor(START_TIME.0, START_TIME.1, None, MetricType::Gauge)?
            .encode_gauge(&inner.started_seconds)?;
        let control = Series { labels: Labels::new(), shards: vec![Arc::clone(&inner.control)] };
        encode_families(&mut encoder, CONTROL, &[control])?;
        let workers: Vec<_> = inner.shards.lock().values().cloned().collect();
        let shards = || workers.iter().map(|worker| worker.0.as_ref());
        encode_families(&mut encoder, LISTENER, &listeners(shards()))?;
        encode_families(&mut encoder, PROTOCOL, &protocols(shards()))?;
        encode_families(&mut encoder, CLUSTER, &clusters(shards()))?;
        encode_families(&mut encoder, PLUGIN, &plugins(shards()))?;
        inner.defined.encode(&mut encoder)
    }
}

fn listeners<'a>(workers: impl Iterator<Item = &'a WorkerShards>) -> Vec<Series<ListenerMetrics>> {
    let all = workers.map(|worker| worker.listeners.lock().clone());
    collect(all, |name: ListenerName| vec![(LISTENER_LABEL, name.to_string())])
}

fn protocols<'a>(workers: impl Iterator<Item = &'a WorkerShards>) -> Vec<Series<ProtocolMetrics>> {
    let all = workers.map(|worker| {
        let mut of_worker = BTreeMap::<(ListenerName, ProtocolName), _>::new();
        for (listener, shard) in worker.listeners.lock().iter() {
            let protocols = shard.protocols().into_iter();
            of_worker.extend(protocols.map(|(name, shard)| ((listener.clone(), name), shard)));
        }
        of_worker
    });
    collect(all, |(listener, protocol)| {
        vec![(LISTENER_LABEL, listener.to_string()), (PROTOCOL_LABEL, protocol.to_string())]
    })
}

fn clusters<'a>(workers: impl Iterator<Item = &'a WorkerShards>) -> Vec<Series<ClusterMetrics>> {
    let all = workers.map(|worker| worker.clusters.lock().clone());
    collect(all, |name: ClusterName| vec![(CLUSTER_LABEL, name.to_string())])
}

fn plugins<'a>(workers: impl Iterator<Item = &'a WorkerShards>) -> Vec<Series<PluginMetrics>> {
    let all = workers.map(|worker| worker.plugins.lock().clone());
    collect(all, |(name, backend): PluginKey| {
        vec![(PLUGIN_LABEL, name.to_string()), (BACKEND_LABEL, backend.to_owned())]
    })
}

/// Brings the shards of one name together, in the order of the names.
fn collect<K: Ord, T>(
    workers: impl Iterator<Item = BTreeMap<K, Arc<T>>>,
    labels: impl Fn(K) -> Labels,
) -> Vec<Series<T>> {
    let mut by_name = BTreeMap::<K, Vec<Arc<T>>>::new();
    for (name, shard) in workers.flatten() {
        by_name.entry(name).or_default().push(shard);
    }
    by_name.into_iter().map(|(name, shards)| Series { labels: labels(name), shards }).collect()
}

fn encode_families<T>(
    encoder: &mut DescriptorEncoder<'_>,
    families: &[Family<T>],
    series: &[Series<T>],
) -> fmt::Result {
    // A family without series would be a headline over nothing.
    if series.is_empty() {
        return Ok(());
    }
    for family in families {
        let kind = metric_type(&family.read);
        let mut encoder = encoder.encode_descriptor(family.name, family.help, None, kind)?;
        for one in series {
            encode_series(&mut encoder, &family.read, one)?;
        }
    }
    Ok(())
}

fn metric_type<T>(read: &Read<T>) -> MetricType {
    match read {
        Read::Counter(_) | Read::Shared(_) | Read::Split(..) => MetricType::Counter,
        Read::Sum(_) | Read::Max(_) => MetricType::Gauge,
        Read::Histogram(_) | Read::SplitHistogram(..) => MetricType::Histogram,
    }
}

fn encode_series<T>(
    encoder: &mut MetricEncoder<'_>,
    read: &Read<T>,
    series: &Series<T>,
) -> fmt::Result {
    let shards = || series.shards.iter().map(Arc::as_ref);
    let labels = &series.labels;
    match read {
        Read::Counter(cell) => {
            let sum = shards().map(|shard| cell(shard).value()).fold(0, u64::wrapping_add);
            encode_counter(encoder, labels, &sum)
        }
        Read::Shared(cell) => {
            let sum = shards().map(|shard| cell(shard).value()).fold(0, u64::wrapping_add);
            encode_counter(encoder, labels, &sum)
        }
        Read::Split(label, read) => {
            let mut sums = Vec::<(&'static str, u64)>::new();
            for shard in shards() {
                read(shard, &mut |value, count| add(&mut sums, value, count));
            }
            sums.iter().try_for_each(|(value, sum)| {
                let mut labels = labels.clone();
                labels.push((label, (*value).to_owned()));
                encode_counter(encoder, &labels, sum)
            })
        }
        Read::Sum(cell) => {
            let sum = shards().map(|shard| cell(shard).value()).fold(0, i64::saturating_add);
            encode_gauge(encoder, labels, &sum)
        }
        Read::Max(cell) => {
            let max = shards().map(|shard| cell(shard).value()).max().unwrap_or_default();
            encode_gauge(encoder, labels, &max)
        }
        Read::Histogram(cell) => {
            let mut shards = shards().map(cell);
            let Some(mut sum) = shards.next().map(crate::Histogram::read) else { return Ok(()) };
            shards.for_each(|shard| sum.merge(shard));
            encode_histogram(encoder, labels, &sum)
        }
        Read::SplitHistogram(label, read) => {
            let mut sums = Vec::<(&'static str, HistogramSum)>::new();
            for shard in shards() {
                read(shard, &mut |value, histogram| merge(&mut sums, value, histogram));
            }
            sums.iter().try_for_each(|(value, sum)| {
                let mut labels = labels.clone();
                labels.push((label, (*value).to_owned()));
                encode_histogram(encoder, &labels, sum)
            })
        }
    }
}

/// Adds a histogram to that of a label's value; there are few of them.
fn merge(
    sums: &mut Vec<(&'static str, HistogramSum)>,
    value: &'static str,
    histogram: &crate::Histogram,
) {
    match sums.iter_mut().find(|(known, _sum)| *known == value) {
        Some((_known, sum)) => sum.merge(histogram),
        None => sums.push((value, histogram.read())),
    }
}

fn encode_histogram(
    encoder: &mut MetricEncoder<'_>,
    labels: &Labels,
    sum: &HistogramSum,
) -> fmt::Result {
    let mut encoder = encoder.encode_family(labels)?;
    let (seconds, count) = (sum.sum_seconds(), sum.count());
    encoder.encode_histogram::<NoLabelSet>(seconds, count, &sum.buckets(), None)
}

/// Adds to the sum of a label's value; there are few of them.
fn add(sums: &mut Vec<(&'static str, u64)>, value: &'static str, count: u64) {
    match sums.iter_mut().find(|(known, _sum)| *known == value) {
        Some((_known, sum)) => *sum = sum.wrapping_add(count),
        None => sums.push((value, count)),
    }
}

pub(crate) fn encode_counter(
    encoder: &mut MetricEncoder<'_>,
    labels: &Labels,
    value: &impl EncodeCounterValue,
) -> fmt::Result {
    let exemplar = None::<&Exemplar<NoLabelSet, f64>>;
    if labels.is_empty() {
        return encoder.encode_counter(value, exemplar);
    }
    encoder.encode_family(labels)?.encode_counter(value, exemplar)
}

pub(crate) fn encode_gauge(
    encoder: &mut MetricEncoder<'_>,
    labels: &Labels,
    value: &impl EncodeGaugeValue,
) -> fmt::Result {
    if labels.is_empty() {
        return encoder.encode_gauge(value);
    }
    encoder.encode_family(labels)?.encode_gauge(value)
}
