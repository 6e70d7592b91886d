//! Damaged frames for every built-in codec: three million inputs each, the same every time.
//!
//! No input may panic, take longer than [`TIME_MAX`], or let the process grow by more than
//! [`GROWTH_MAX`]; and each must mean the same in whatever pieces it comes (`drive.rs`). The
//! figures of a run are printed: `cargo test -p host-codec --test mutations -- --nocapture`. They
//! are limits, and no benchmark.
//!
//! Start reading at [`codecs_survive_three_million_damaged_inputs_each`].
#![cfg(test)]

mod drive;
mod mutate;
mod seeds;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use host_codec::{BoltSettings, BuiltinCodec};

use crate::{
    drive::{Found, drive},
    seeds::Seeds,
};

const CODECS: [BuiltinCodec; 4] = [
    BuiltinCodec::Bolt(BoltSettings { go_away: true }),
    BuiltinCodec::Dubbo,
    BuiltinCodec::DubboThrift,
    BuiltinCodec::Tars,
];

/// Inputs of each codec.
const INPUTS: usize = 3_000_000;

/// Each works on its share of the inputs.
const THREADS: usize = 2;

/// One input in so many is a large one.
const LARGE_EVERY: usize = 20_000;

/// The frames of one input in so many are written again.
const REWRITTEN_EVERY: usize = 8;

/// Longest piece of an input that comes in small ones.
const PIECE_BYTES: usize = 8;

/// Longest that one input may take.
const TIME_MAX: Duration = Duration::from_millis(50);

/// Most memory that the process may take for all of them, at its peak.
const GROWTH_MAX: u64 = 16 * 1024 * 1024;

#[test]
fn codecs_survive_three_million_damaged_inputs_each() {
    // What is taken once, by the first input or by the start of a thread, is no growth.
    for codec in CODECS {
        run(codec, 1000);
    }
    let before = peak();
    for codec in CODECS {
        let start = clock();
        let figures = run(codec, INPUTS);
        let (growth, took) = (peak().saturating_sub(before), clock() - start);
        println!(
            "{}: {INPUTS} inputs, {} frames, {} of them sound, in {took:.1?}; \
             the slowest {:.1?}, growth {} KiB",
            codec.name(),
            figures.frames,
            figures.sound,
            figures.slowest,
            growth / 1024,
        );
        assert!(figures.sound > INPUTS / 10, "what is written again is seen");
        assert!(figures.frames > figures.sound + INPUTS / 10, "what is refused is seen");
        assert!(growth <= GROWTH_MAX, "{}: {growth} bytes", codec.name());
    }
}

#[test]
fn inputs_are_made_of_right_frames() {
    for codec in CODECS {
        let seeds = seeds::of(codec);
        for frame in seeds.frames.iter().chain(&seeds.large) {
            let frames = drive::frames(codec, frame);
            assert_eq!(frames.len(), 1, "{}: {:02x?}", codec.name(), &frame[..frame.len().min(99)]);
            assert_eq!(frames[0].malformed, None, "{}: {:?}", codec.name(), frames[0]);
            let mut repaired = frame.clone();
            (seeds.repair)(&mut repaired);
            assert!(repaired == *frame, "{}: {:?}", codec.name(), frames[0]);
        }
    }
}

#[derive(Debug, Default)]
struct Figures {
    frames: usize,
    sound: usize,
    slowest: Duration,
}

/// Drives a codec over so many inputs.
fn run(codec: BuiltinCodec, inputs: usize) -> Figures {
    let share = inputs / THREADS;
    let work = |number: usize| {
        move || {
            let seeds = seeds::of(codec);
            let mut figures = Figures::default();
            let mut bytes = Vec::new();
            for seed in number * share..(number + 1) * share {
                one(codec, &seeds, seed, &mut bytes, &mut figures);
            }
            figures
        }
    };
    let threads: Vec<_> = (0..THREADS).map(|number| thread::spawn(work(number))).collect();
    let mut all = Figures::default();
    for thread in threads {
        let figures = thread.join().expect("no input panics");
        all.frames += figures.frames;
        all.sound += figures.sound;
        all.slowest = all.slowest.max(figures.slowest);
    }
    all
}

/// Drives a codec over the input of a seed.
fn one(
    codec: BuiltinCodec,
    seeds: &Seeds,
    seed: usize,
    bytes: &mut Vec<u8>,
    figures: &mut Figures,
) {
    let story = Story { codec, seed };
    let (mut took, mut found) = (Duration::MAX, Found::default());
    // Somebody else may have had the processor: what was slow is tried again.
    for _try in 0..5 {
        let mut dice = Rng::with_seed(seed as u64);
        let frames = if seed.is_multiple_of(LARGE_EVERY) { &seeds.large } else { &seeds.frames };
        mutate::input(&mut dice, frames, seeds.repair, bytes);
        let longest = if dice.u8(0..8) == 0 { PIECE_BYTES } else { usize::MAX };
        let rewrites = seed.is_multiple_of(REWRITTEN_EVERY);
        let start = clock();
        found = drive(codec, bytes, rewrites, |below| dice.usize(0..below.min(longest)));
        took = took.min(clock() - start);
        if took <= TIME_MAX / 10 {
            break;
        }
    }
    assert!(took <= TIME_MAX, "took {took:?}");
    figures.frames += found.frames;
    figures.sound += found.sound;
    figures.slowest = figures.slowest.max(took);
    drop(story);
}

#[expect(clippy::disallowed_methods, reason = "the time of an input is what is measured")]
fn clock() -> Instant {
    Instant::now()
}

/// The most memory that the process has had, as the kernel counts it.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

/// Says with which input a panic came.
struct Story {
    codec: BuiltinCodec,
    seed: usize,
}

impl Drop for Story {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{}: the input of seed {}", self.codec.name(), self.seed);
        }
    }
}
