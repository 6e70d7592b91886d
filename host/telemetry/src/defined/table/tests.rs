use host_extension::MetricKind;

use super::{super::value::Value, CHUNK, CHUNKS, Series, Table};

fn series(number: usize) -> Series {
    Series {
        plugin: number.to_string().into(),
        labels: Vec::new(),
        value: Value::new(MetricKind::Counter),
    }
}

#[test]
fn every_number_leads_to_its_series_up_to_the_last_one() {
    let table = Table::default();
    assert!(table.get(0).is_none());
    assert!(table.get(1).is_none());
    for number in 1..=CHUNK * CHUNKS {
        assert_eq!(table.next().map(|next| next as usize), Some(number));
        table.push(series(number));
    }
    assert_eq!(table.next(), None);
    for number in [1, CHUNK, CHUNK + 1, CHUNK * CHUNKS] {
        let found = table.get(u32::try_from(number).unwrap()).expect("a series");
        assert_eq!(*found.plugin, *number.to_string());
    }
    for number in [0, u32::try_from(CHUNK * CHUNKS + 1).unwrap(), u32::MAX] {
        assert!(table.get(number).is_none(), "{number}");
    }
}
