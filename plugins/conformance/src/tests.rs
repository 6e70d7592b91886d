use super::*;

#[test]
fn every_script_can_be_written_down() {
    for abi in AbiVersion::ALL {
        let kit = Kit::new(abi);
        let functions = Functions::of(abi);
        use case::Which::{Armed, Beside, Root, Stream};
        for case in &kit.cases {
            for which in [Stream, Root, Armed, Beside] {
                let script = Script { tag: 1, steps: case.steps(which).to_vec() };
                if let Err(error) = script.encode(&functions) {
                    panic!("{}: {error}", case.name);
                }
            }
        }
        let script = Script { tag: 1, steps: run::start_steps(&kit.cases) };
        script.encode(&functions).unwrap();
        wasmparser::validate(&kit.probe()).unwrap();
    }
}
