//! Values from independent implementations: `oracle/gp.py` (numpy 2.4.6, scikit-learn 1.9.1, scipy 1.17.1,
//! mpmath 1.3.0).
// The numbers are kept as the script prints them.
#![allow(clippy::unwrap_used, clippy::excessive_precision)]

use ss_bo::acquisition::{log_ei, log_h};
use ss_bo::gp::{Dataset, GaussianProcess, Hyperparameters, log_evidence};

fn data() -> Dataset {
    let x = [[0.1, 0.2], [0.4, 0.9], [0.75, 0.3], [0.9, 0.85], [0.5, 0.5]].map(|p| p.to_vec());
    Dataset::new(&x, &[0.3, -1.2, 0.8, 0.1, 1.4], &[0.0, 0.2, 0.0, 0.05, 0.0], 2).unwrap()
}

fn hyper(mean_variance: f64) -> Hyperparameters {
    Hyperparameters {
        length_scales: vec![0.3, 0.7],
        signal_variance: 1.7,
        noise_variance: 0.01,
        mean_variance,
    }
}

const QUERIES: [[f64; 2]; 3] = [[0.3, 0.4], [0.75, 0.3], [0.0, 1.0]];

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(1.0),
        "found {found}, expected {expected}"
    );
}

#[test]
fn posterior_is_scikit_learns() {
    let gp = GaussianProcess::new(data(), hyper(0.0)).unwrap();
    assert_eq!(gp.jitter(), 0.0);
    let expected = [
        (0.660_646_271_193_012_6, 0.386_048_332_123_828_66),
        (0.804_517_032_106_265_4, 0.009_875_332_716_298_368),
        (-0.502_420_435_459_543_8, 1.298_991_246_490_057_5),
    ];
    for (query, (mean, variance)) in QUERIES.iter().zip(expected) {
        let posterior = gp.posterior(query);
        close(posterior.mean, mean, 1e-12);
        close(posterior.variance, variance, 1e-12);
        close(gp.mean(query), mean, 1e-12);
    }
}

#[test]
fn a_constant_mean_is_a_constant_kernel() {
    let gp = GaussianProcess::new(data(), hyper(0.8)).unwrap();
    for (query, mean) in
        QUERIES.iter().zip([0.660_538_207_569_676_3, 0.804_547_930_485_671_9, -0.497_064_050_304_103_4])
    {
        close(gp.posterior(query).mean, mean, 1e-12);
    }
}

#[test]
fn evidence_and_its_gradient_are_scikit_learns() {
    let evidence = log_evidence(&data(), &hyper(0.0)).unwrap();
    close(evidence.value, -8.334_418_848_588_918, 1e-12);
    close(evidence.signal, 0.195_257_863_795_355_04, 1e-10);
    close(evidence.length_scales[0], -0.460_530_322_050_350_27, 1e-10);
    close(evidence.length_scales[1], -2.324_031_170_946_028, 1e-10);
    // scikit-learn differentiates by the logarithm of the noise.
    close(evidence.noise * 0.01, 0.038_011_277_753_676_98, 1e-10);
}

#[test]
fn log_h_is_mpmaths() {
    for (z, value, slope) in [
        (-1e6, -500_000_000_028.549_96, 1_000_000.000_002),
        (-1000.0, -500_014.734_452_091_16, 1_000.001_999_994),
        (-40.0, -808.298_568_356_619_96, 40.049_906_657_648_518),
        (-20.5, -217.091_868_370_383_13, 20.596_875_862_192_977),
        (-19.5, -196.992_585_617_228_33, 19.601_769_440_355_082),
        (-5.0, -16.744_301_162_660_99, 5.361_816_241_288_088_5),
        (-1.5, -3.529_935_920_805_709_9, 2.279_580_694_156_446_2),
        (-0.5, -1.620_516_264_387_319_9, 1.559_873_148_348_079_7),
        (0.0, -0.918_938_533_204_672_74, 1.253_314_137_315_500_3),
        (3.0, 1.098_739_665_327_707_8, 0.332_840_968_451_795_24),
        (30.0, 3.401_197_381_662_155_4, 0.033_333_333_333_333_333),
    ] {
        let (v, s) = log_h(z);
        assert!(((v - value) / value).abs() < 1e-12, "ln h({z}) = {v}, expected {value}");
        assert!(((s - slope) / slope).abs() < 1e-9, "slope at {z}: {s}, expected {slope}");
        // Log expected improvement is ln std + ln h(z).
        close(log_ei(1.0 + 0.5 * z, 0.5, 1.0).0, 0.5_f64.ln() + value, 1e-12);
    }
}
