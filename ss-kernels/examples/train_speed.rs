//! Images per second of one training step (forward, backward, update) or of evaluation, on networks
//! built directly on this crate's operations; `benches/peers/train_torch.py` builds the same in PyTorch.
//!
//! ```text
//! cargo run --release -p ss-kernels --example train_speed -- [--net NAME] [--batch N] [--reps N] [--eval]
//!     [--isa avx512|avx2|portable]
//! ```
//! Prints one JSON object a line. On one thread (`RAYON_NUM_THREADS=1`) time is the thread's CPU time,
//! which other processes on the machine disturb least; else wall-clock time. The best
//! repetition counts.

use std::time::Instant;

use candle_core::{DType, Device, Result, Tensor, Var};
use ss_kernels::{
    Activation, Conv2dSpec, Isa, Sgd, SgdConfig, batch_norm_train, conv2d, conv2d_folded, cross_entropy,
    global_avg_pool2d,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Convolution and batch normalisation.
struct Layer {
    weight: Var,
    scale: Var,
    shift: Var,
    spec: Conv2dSpec,
}

impl Layer {
    fn forward(&self, x: &Tensor, residual: Option<&Tensor>, act: Activation, eval: bool) -> Result<Tensor> {
        if eval {
            return conv2d_folded(x, &self.weight, self.spec, &self.scale, &self.shift, residual, act);
        }
        let y = conv2d(x, &self.weight, self.spec)?;
        Ok(batch_norm_train(&y, &self.scale, &self.shift, residual, 1e-5, act)?.0)
    }
}

struct Block {
    first: Layer,
    second: Layer,
    shortcut: Option<Layer>,
}

struct Net {
    stem: Vec<Layer>,
    blocks: Vec<Block>,
    linear: (Var, Var),
    vars: Vec<Var>,
    input: (usize, usize),
}

struct Builder {
    vars: Vec<Var>,
    state: u64,
}

impl Builder {
    fn var(&mut self, dims: &[usize], scale: f32) -> Result<Var> {
        let len: usize = dims.iter().product();
        let values: Vec<f32> = (0..len)
            .map(|_| {
                self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((self.state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
            })
            .collect();
        let var = Var::from_tensor(&Tensor::from_vec(values, dims, &Device::Cpu)?)?;
        self.vars.push(var.clone());
        Ok(var)
    }

    fn layer(&mut self, c: usize, o: usize, k: usize, stride: usize) -> Result<Layer> {
        let weight = self.var(&[o, c, k, k], (6.0 / (c * k * k) as f32).sqrt())?;
        let scale = Var::ones(o, DType::F32, &Device::Cpu)?;
        let shift = Var::zeros(o, DType::F32, &Device::Cpu)?;
        self.vars.extend([scale.clone(), shift.clone()]);
        Ok(Layer { weight, scale, shift, spec: Conv2dSpec { stride, padding: k / 2, groups: 1 } })
    }
}

impl Net {
    fn new(name: &str) -> Result<Self> {
        let mut b = Builder { vars: Vec::new(), state: 1 };
        let (widths, depth, stem, input): (&[usize], usize, usize, _) = match name {
            "six-conv" => (&[], 0, 0, (3, 32)),
            "resnet-8" => (&[16, 32, 64], 1, 16, (3, 32)),
            "resnet-20" => (&[16, 32, 64], 3, 16, (3, 32)),
            "resnet-18" => (&[64, 128, 256, 512], 2, 64, (3, 32)),
            "digits" => (&[16, 32, 64], 1, 16, (1, 8)),
            "digits-small" => (&[8, 16, 32], 1, 8, (1, 8)),
            _ => candle_core::bail!("no network is called {name}"),
        };
        let mut layers = Vec::new();
        let mut blocks = Vec::new();
        let mut c = stem;
        if widths.is_empty() {
            let plan = [(3, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1)];
            for (c, o, stride) in plan {
                layers.push(b.layer(c, o, 3, stride)?);
            }
            c = 128;
        } else {
            layers.push(b.layer(input.0, stem, 3, 1)?);
        }
        for (stage, &o) in widths.iter().enumerate() {
            for i in 0..depth {
                let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                blocks.push(Block {
                    first: b.layer(c, o, 3, stride)?,
                    second: b.layer(o, o, 3, 1)?,
                    shortcut: if c != o || stride != 1 { Some(b.layer(c, o, 1, stride)?) } else { None },
                });
                c = o;
            }
        }
        let linear = (b.var(&[c, 10], 0.1)?, b.var(&[10], 0.0)?);
        Ok(Self { stem: layers, blocks, linear, vars: b.vars, input })
    }

    fn forward(&self, x: &Tensor, eval: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.stem {
            x = layer.forward(&x, None, Activation::Relu, eval)?;
        }
        for Block { first, second, shortcut } in &self.blocks {
            let y = first.forward(&x, None, Activation::Relu, eval)?;
            let skip = match shortcut {
                Some(s) => s.forward(&x, None, Activation::Identity, eval)?,
                None => x,
            };
            x = second.forward(&y, Some(&skip), Activation::Relu, eval)?;
        }
        global_avg_pool2d(&x)?.matmul(&self.linear.0)?.broadcast_add(&self.linear.1)
    }
}

/// CPU time of this thread, in seconds.
fn thread_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split_whitespace().next()?.parse::<u64>().ok()? as f64 * 1e-9)
}

fn peak_rss_mib() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let isa = match args.iter().position(|a| a == "--isa").and_then(|i| args.get(i + 1)) {
        Some(name) if name == "avx512" => Isa::Avx512,
        Some(name) if name == "avx2" => Isa::Avx2,
        Some(name) if name == "portable" => Isa::Portable,
        Some(name) => candle_core::bail!("no instruction set is called {name}"),
        None => Isa::current(),
    };
    match isa.run_with(|| measure(&args)) {
        Some(done) => done,
        None => candle_core::bail!("this CPU lacks {isa:?}"),
    }
}

fn measure(args: &[String]) -> Result<()> {
    let value = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1));
    let number = |name: &str, default: usize| value(name).and_then(|v| v.parse().ok()).unwrap_or(default);
    let name = value("--net").map_or("six-conv", |s| s.as_str());
    let (batch, reps) = (number("--batch", 128), number("--reps", 10));
    let eval = args.iter().any(|a| a == "--eval");

    let net = Net::new(name)?;
    let (c, size) = net.input;
    let x = Tensor::randn(0f32, 1.0, (batch, c, size, size), &Device::Cpu)?;
    let targets = Tensor::from_vec((0..batch as u32).map(|i| i % 10).collect(), batch, &Device::Cpu)?;
    let config = SgdConfig { momentum: 0.9, nesterov: false, weight_decay: 5e-4 };
    let mut sgd = Sgd::new(net.vars.clone(), config)?;
    let one_thread = rayon::current_num_threads() == 1;
    let start = Instant::now();
    let now = || match thread_time() {
        Some(t) if one_thread => t,
        _ => start.elapsed().as_secs_f64(),
    };
    let mut step = || -> Result<()> {
        let logits = net.forward(&x, eval)?;
        if eval {
            logits.sum_all()?.to_scalar::<f32>()?;
        } else {
            let loss = cross_entropy(&logits, &targets, None)?.loss;
            sgd.step(&loss.backward()?, 0.01)?;
        }
        Ok(())
    };
    // The kernel accounts CPU time in ticks of a few milliseconds: time enough steps at once.
    step()?;
    let begin = Instant::now();
    step()?;
    let steps = (0.2 / begin.elapsed().as_secs_f64()).ceil() as usize;
    let mut best = f64::INFINITY;
    for _ in 0..reps {
        let begin = now();
        for _ in 0..steps {
            step()?;
        }
        best = best.min((now() - begin) / steps as f64);
    }
    println!(
        "{{\"network\":\"{name}\",\"batch\":{batch},\"mode\":\"{}\",\"threads\":{},\
         \"images_per_second\":{:.1},\"peak_rss_mib\":{:.0},\"library\":\"ss-kernels\"}}",
        if eval { "eval" } else { "train" },
        rayon::current_num_threads(),
        batch as f64 / best,
        peak_rss_mib().unwrap_or(f64::NAN)
    );
    Ok(())
}
