// Batch normalisation fused with a residual addition and an activation. Compiled at run time (NVRTC), for the GPU that is there.
//
// Images are [n, c, pixels]. Sums over a channel are taken by `splits` blocks of 256 threads, in f64 beyond one thread, and in one order:
// results are the same bits from run to run.

#define THREADS 256

// 0: nothing, 1: max(x, 0), 2: min(max(x, 0), 6); NaN stays NaN.
__device__ float activated(float x, int act) {
    if (act >= 1 && x < 0.f) x = 0.f;
    if (act == 2 && x > 6.f) x = 6.f;
    return x;
}

// The gradient where the activation lets it through: `y` is the activation's argument or its result.
__device__ float through(float dy, float y, int act) {
    if (act >= 1 && !(y > 0.f)) return 0.f;
    if (act == 2 && !(y < 6.f)) return 0.f;
    return dy;
}

// The sums of a block's threads, in thread 0.
__device__ void add_up(double& a, double& b) {
    __shared__ double as[THREADS], bs[THREADS];
    as[threadIdx.x] = a;
    bs[threadIdx.x] = b;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) {
            as[threadIdx.x] += as[threadIdx.x + half];
            bs[threadIdx.x] += bs[threadIdx.x + half];
        }
    }
    a = as[0];
    b = bs[0];
}

// The sums of a warp's threads, in its first one.
__device__ void add_up_warp(double& a, double& b) {
    for (int step = 16; step > 0; step /= 2) {
        a += __shfl_down_sync(0xffffffff, a, step);
        b += __shfl_down_sync(0xffffffff, b, step);
    }
}

// gridDim = (splits, c): parts[c][split] = sum and sum of squares of x - x[0, c, 0].
extern "C" __global__ void moments(const float* x, double* parts, int n, int c, int pixels) {
    const int channel = blockIdx.y, splits = gridDim.x;
    const float origin = x[(size_t)channel * pixels];
    const int total = n * pixels;
    float sum = 0.f, squares = 0.f;
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < total; i += splits * THREADS) {
        const float v = x[((size_t)(i / pixels) * c + channel) * pixels + i % pixels] - origin;
        sum += v;
        squares += v * v;
    }
    double a = sum, b = squares;
    add_up(a, b);
    if (threadIdx.x == 0) {
        parts[2 * (channel * splits + blockIdx.x)] = a;
        parts[2 * (channel * splits + blockIdx.x) + 1] = b;
    }
}

// One warp a channel: stats = mean, variance; factors = what x is multiplied by, and what is added then. [2][c] each.
extern "C" __global__ void factors_of_moments(const float* x, const double* parts, const float* params, float* stats,
                                              float* factors, int n, int c, int pixels, int splits, double eps) {
    const int channel = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    if (channel >= c) return;
    double sum = 0., squares = 0.;
    for (int i = threadIdx.x % 32; i < splits; i += 32) {
        sum += parts[2 * (channel * splits + i)];
        squares += parts[2 * (channel * splits + i) + 1];
    }
    add_up_warp(sum, squares);
    if (threadIdx.x % 32 != 0) return;
    const double count = (double)n * pixels, shifted = sum / count;
    const double variance = fmax(squares / count - shifted * shifted, 0.);
    const double mean = shifted + x[(size_t)channel * pixels];
    const double factor = params[channel] / sqrt(variance + eps);
    stats[channel] = (float)mean;
    stats[c + channel] = (float)variance;
    factors[channel] = (float)factor;
    factors[c + channel] = (float)(params[c + channel] - factor * mean);
}

// y = act(x * factor + addend + residual); residual may be null.
extern "C" __global__ void normalise(const float* x, const float* factors, const float* residual, float* y, int total,
                                     int c, int pixels, int act) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
        const int channel = i / pixels % c;
        float v = fmaf(x[i], factors[channel], factors[c + channel]);
        if (residual) v += residual[i];
        y[i] = activated(v, act);
    }
}

// gridDim = (splits, c): parts[c][split] = sums of the gradient g before the activation, and of g * (x - mean).
extern "C" __global__ void gradient_moments(const float* x, const float* y, const float* dy, const float* stats, double* parts,
                                            int n, int c, int pixels, int act) {
    const int channel = blockIdx.y, splits = gridDim.x;
    const float mean = stats[channel];
    const int total = n * pixels;
    float sum = 0.f, product = 0.f;
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < total; i += splits * THREADS) {
        const size_t at = ((size_t)(i / pixels) * c + channel) * pixels + i % pixels;
        const float g = through(dy[at], act ? y[at] : 0.f, act);
        sum += g;
        product += g * (x[at] - mean);
    }
    double a = sum, b = product;
    add_up(a, b);
    if (threadIdx.x == 0) {
        parts[2 * (channel * splits + blockIdx.x)] = a;
        parts[2 * (channel * splits + blockIdx.x) + 1] = b;
    }
}

// One warp a channel: dparams = gradients of scale and shift, [2][c]; factors [3][c]: dx = f0 * g + f1 * x + f2.
extern "C" __global__ void gradient_factors(const double* parts, const float* params, const float* stats, float* dparams,
                                            float* factors, int n, int c, int pixels, int splits, double eps) {
    const int channel = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    if (channel >= c) return;
    double sum = 0., product = 0.;
    for (int i = threadIdx.x % 32; i < splits; i += 32) {
        sum += parts[2 * (channel * splits + i)];
        product += parts[2 * (channel * splits + i) + 1];
    }
    add_up_warp(sum, product);
    if (threadIdx.x % 32 != 0) return;
    const double count = (double)n * pixels, inv_std = 1. / sqrt(stats[c + channel] + eps);
    const double factor = params[channel] * inv_std;
    const double of_x = -factor * inv_std * inv_std * product / count;
    dparams[channel] = (float)(product * inv_std);
    dparams[c + channel] = (float)sum;
    factors[channel] = (float)factor;
    factors[c + channel] = (float)of_x;
    factors[2 * c + channel] = (float)(-factor * sum / count - of_x * stats[channel]);
}

// dresidual may be null.
extern "C" __global__ void gradients(const float* x, const float* y, const float* dy, const float* factors, float* dx,
                                     float* dresidual, int total, int c, int pixels, int act) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
        const int channel = i / pixels % c;
        const float g = through(dy[i], act ? y[i] : 0.f, act);
        dx[i] = fmaf(factors[channel], g, fmaf(factors[c + channel], x[i], factors[2 * c + channel]));
        if (dresidual) dresidual[i] = g;
    }
}

// running += share * (batch * correction - running).
extern "C" __global__ void running_average(float* running, const float* batch, int len, float share, float correction) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < len; i += gridDim.x * blockDim.x) {
        running[i] = fmaf(share, batch[i] * correction, (1.f - share) * running[i]);
    }
}
