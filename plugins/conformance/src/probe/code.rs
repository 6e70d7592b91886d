//! Small words of which the probe's functions are made.

use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, ValType};

/// One function of the probe.
pub(super) struct Part {
    pub(super) params: Vec<ValType>,
    pub(super) answers: bool,
    pub(super) body: Function,
    /// Its name outside, with its number.
    pub(super) export: Option<(String, u32)>,
}

impl Part {
    /// A function of so many 32-bit parameters and further locals.
    pub(super) fn new(
        params: usize,
        locals: u32,
        answers: bool,
        write: impl for<'a, 'b> FnOnce(&'b mut InstructionSink<'a>) -> &'b mut InstructionSink<'a>,
    ) -> Self {
        let mut body = Function::new([(locals, ValType::I32)]);
        let mut sink = body.instructions();
        write(&mut sink);
        sink.end();
        Self { params: vec![ValType::I32; params], answers, body, export: None }
    }

    /// The same under a name, which is that of function number `index`.
    pub(super) fn exported(mut self, name: &str, index: u32) -> Self {
        self.export = Some((name.to_owned(), index));
        self
    }
}

/// A place in memory at an offset from an address that may be any.
pub(super) fn at(offset: i32) -> MemArg {
    MemArg { offset: u64::try_from(offset).unwrap_or_default(), align: 0, memory_index: 0 }
}

/// Combinations that come again and again.
pub(super) trait Words {
    /// The word at a fixed address.
    fn load_from(&mut self, address: i32) -> &mut Self;
    /// The word at an offset from a local.
    fn field(&mut self, local: u32, offset: i32) -> &mut Self;
    /// Moves a local on by a constant.
    fn advance(&mut self, local: u32, by: i32) -> &mut Self;
    /// A block without a result.
    fn open(&mut self) -> &mut Self;
    /// Runs `then` where the word on the stack is not zero.
    fn when(&mut self, then: impl FnOnce(&mut Self) -> &mut Self) -> &mut Self;
    /// Runs `body` again and again as long as it leaves something else than zero.
    fn repeat(&mut self, body: impl FnOnce(&mut Self) -> &mut Self) -> &mut Self;
}

impl Words for InstructionSink<'_> {
    fn load_from(&mut self, address: i32) -> &mut Self {
        self.i32_const(address).i32_load(at(0))
    }

    fn field(&mut self, local: u32, offset: i32) -> &mut Self {
        self.local_get(local).i32_load(at(offset))
    }

    fn advance(&mut self, local: u32, by: i32) -> &mut Self {
        self.local_get(local).i32_const(by).i32_add().local_set(local)
    }

    fn open(&mut self) -> &mut Self {
        self.block(BlockType::Empty)
    }

    fn when(&mut self, then: impl FnOnce(&mut Self) -> &mut Self) -> &mut Self {
        self.if_(BlockType::Empty);
        then(self);
        self.end()
    }

    fn repeat(&mut self, body: impl FnOnce(&mut Self) -> &mut Self) -> &mut Self {
        self.loop_(BlockType::Empty);
        body(self);
        self.br_if(0).end()
    }
}
