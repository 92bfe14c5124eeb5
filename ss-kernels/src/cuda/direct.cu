// Convolution with 3x3 kernels and a padding of 1, for few channels, where unfolding would cost more than it saves. Compiled at run time
// (NVRTC), for the GPU that is there.
//
// Images are [n, c, h, w]. Every sum has one order: results are the same bits from run to run.

struct Geometry {
    int images, c, h, w, o, oh, ow, kh, kw, stride, padding;
};

#define THREADS 128
// A tile of results is TILE x TILE pixels; a thread has STRIP of them in a row, for OUT channels.
#define TILE 8
#define STRIP 4
#define OUT 8
// Input channels that are in shared memory at a time.
#define CHUNK 8

// GROUPS of OUT channels a block. turned: the weights are [c][o][3][3] and read from their last tap to the first, which makes a
// convolution of stride 1 its own input gradient.
template <int STRIDE, int GROUPS>
__device__ void convolve(const float* x, const float* weight, float* y, const Geometry g, const int turned) {
    constexpr int SIDE = (TILE - 1) * STRIDE + 3, SEEN = (STRIP - 1) * STRIDE + 3;
    constexpr int STRIPS = TILE * TILE / STRIP, TILES = THREADS / (STRIPS * GROUPS), CHANNELS = GROUPS * OUT;
    __shared__ float xs[TILES][CHUNK][SIDE][SIDE];
    __shared__ __align__(16) float ws[CHUNK * 9][CHANNELS];
    // Image, and the row and column of the input where a tile begins; an image of -1 where there is no tile.
    __shared__ int places[TILES][3];
    const int across = (g.ow + TILE - 1) / TILE, down = (g.oh + TILE - 1) / TILE;
    const int channel0 = blockIdx.y * CHANNELS;
    if (threadIdx.x < TILES) {
        const int t = blockIdx.x * TILES + threadIdx.x;
        places[threadIdx.x][0] = t < g.images * across * down ? t / (across * down) : -1;
        places[threadIdx.x][1] = t / across % down * TILE * STRIDE - 1;
        places[threadIdx.x][2] = t % across * TILE * STRIDE - 1;
    }
    const int strip = threadIdx.x % STRIPS, group = threadIdx.x / STRIPS % GROUPS, tile = threadIdx.x / (STRIPS * GROUPS);
    const int row = strip / (TILE / STRIP), column = strip % (TILE / STRIP) * STRIP;
    float sums[STRIP][OUT] = {};
    for (int c0 = 0; c0 < g.c; c0 += CHUNK) {
        __syncthreads();
        for (int plane = threadIdx.x / 32; plane < TILES * CHUNK; plane += THREADS / 32) {
            const int image = places[plane / CHUNK][0], top = places[plane / CHUNK][1], left = places[plane / CHUNK][2];
            const int c = c0 + plane % CHUNK;
            const bool there = image >= 0 && c < g.c;
            const float* from = x + ((size_t)image * g.c + c) * g.h * g.w;
            float* to = &xs[0][0][0][0] + plane * SIDE * SIDE;
            for (int i = threadIdx.x % 32; i < SIDE * SIDE; i += 32) {
                const int py = top + i / SIDE, px = left + i % SIDE;
                to[i] = there && py >= 0 && py < g.h && px >= 0 && px < g.w ? from[py * g.w + px] : 0.f;
            }
        }
        for (int i = threadIdx.x; i < CHANNELS * CHUNK * 9; i += THREADS) {
            const int tap = i % 9, c = c0 + i / 9 % CHUNK, o = channel0 + i / (9 * CHUNK);
            float v = 0.f;
            if (c < g.c && o < g.o) v = turned ? weight[((size_t)c * g.o + o) * 9 + 8 - tap] : weight[((size_t)o * g.c + c) * 9 + tap];
            ws[i % (9 * CHUNK)][i / (9 * CHUNK)] = v;
        }
        __syncthreads();
        const int channels = min(CHUNK, g.c - c0);
        for (int c = 0; c < channels; ++c) {
#pragma unroll
            for (int r = 0; r < 3; ++r) {
                float seen[SEEN];
#pragma unroll
                for (int i = 0; i < SEEN; ++i) seen[i] = xs[tile][c][row * STRIDE + r][column * STRIDE + i];
#pragma unroll
                for (int q = 0; q < 3; ++q) {
                    const float4* w = (const float4*)&ws[c * 9 + r * 3 + q][group * OUT];
                    const float4 a = w[0], b = w[1];
                    const float taps[OUT] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
#pragma unroll
                    for (int p = 0; p < STRIP; ++p) {
#pragma unroll
                        for (int o = 0; o < OUT; ++o) sums[p][o] = fmaf(seen[p * STRIDE + q], taps[o], sums[p][o]);
                    }
                }
            }
        }
    }
    const int image = places[tile][0];
    if (image < 0) return;
    const int py = (places[tile][1] + 1) / STRIDE + row, px = (places[tile][2] + 1) / STRIDE + column;
    if (py >= g.oh) return;
#pragma unroll
    for (int o = 0; o < OUT; ++o) {
        const int channel = channel0 + group * OUT + o;
        if (channel >= g.o) return;
        float* to = y + (((size_t)image * g.o + channel) * g.oh + py) * g.ow + px;
#pragma unroll
        for (int p = 0; p < STRIP; ++p) {
            if (px + p < g.ow) to[p] = sums[p][o];
        }
    }
}

#define CONVOLVE(name, stride, groups)                                                                                 \
    extern "C" __global__ void __launch_bounds__(THREADS) name(const float* x, const float* w, float* y, Geometry g, int turned) { \
        convolve<stride, groups>(x, w, y, g, turned);                                                                  \
    }
CONVOLVE(convolve_1_16, 1, 2)
CONVOLVE(convolve_1_32, 1, 4)
CONVOLVE(convolve_1_64, 1, 8)
CONVOLVE(convolve_2_16, 2, 2)
CONVOLVE(convolve_2_32, 2, 4)
CONVOLVE(convolve_2_64, 2, 8)

// Gradients of 16 x 16 kernels a block, summed over every gridDim.x-th band of `rows` rows of results: parts [split][o][c][9].
// gridDim.y counts tiles of 16 output by 16 input channels. A thread has 2 x 2 kernels and every other row of a band.
template <int STRIDE>
__device__ void weight_grad(const float* x, const float* dy, float* parts, const Geometry g, const int rows) {
    extern __shared__ float shared[];
    const int width = (g.ow - 1) * STRIDE + 3, height = (rows - 1) * STRIDE + 3;
    // Odd, so that channels lie in different banks.
    const int x_step = width * height | 1, dy_step = rows * g.ow | 1;
    float *xs = shared, *dys = shared + 16 * x_step;
    const int c_tiles = (g.c + 15) / 16, c0 = blockIdx.y % c_tiles * 16, o0 = blockIdx.y / c_tiles * 16;
    const int half = threadIdx.x / 64, oi = threadIdx.x % 64 / 8, ci = threadIdx.x % 8;
    const int bands = (g.oh + rows - 1) / rows;
    const int lane_row = threadIdx.x % 32 / width, lane_column = threadIdx.x % 32 % width;
    float sums[2][2][9] = {};
    for (int unit = blockIdx.x; unit < g.images * bands; unit += gridDim.x) {
        const int image = unit / bands, top = unit % bands * rows;
        __syncthreads();
        for (int c = threadIdx.x / 32; c < 16; c += THREADS / 32) {
            const float* from = x + ((size_t)image * g.c + c0 + c) * g.h * g.w;
            int py = top * STRIDE - 1 + lane_row, px = lane_column - 1;
            for (int i = threadIdx.x % 32; i < width * height; i += 32) {
                const bool inside = c0 + c < g.c && py >= 0 && py < g.h && px >= 0 && px < g.w;
                xs[c * x_step + i] = inside ? from[py * g.w + px] : 0.f;
                for (px += 32; px >= width - 1; px -= width) ++py;
            }
            const float* grad = dy + ((size_t)image * g.o + o0 + c) * g.oh * g.ow + top * g.ow;
            const int there = o0 + c < g.o ? min(rows, g.oh - top) * g.ow : 0;
            for (int i = threadIdx.x % 32; i < rows * g.ow; i += 32) dys[c * dy_step + i] = i < there ? grad[i] : 0.f;
        }
        __syncthreads();
        for (int row = half; row < rows; row += 2) {
            const float *d0 = dys + oi * dy_step + row * g.ow, *d1 = d0 + 8 * dy_step;
            const float *x0 = xs + ci * x_step + row * STRIDE * width, *x1 = x0 + 8 * x_step;
            float seen[2][3][3];
#pragma unroll
            for (int r = 0; r < 3; ++r) {
#pragma unroll
                for (int q = 0; q < 3 - STRIDE; ++q) {
                    seen[0][r][q + STRIDE] = x0[r * width + q];
                    seen[1][r][q + STRIDE] = x1[r * width + q];
                }
            }
#pragma unroll 3
            for (int column = 0; column < g.ow; ++column) {
#pragma unroll
                for (int r = 0; r < 3; ++r) {
#pragma unroll
                    for (int q = 0; q < 3 - STRIDE; ++q) {
                        seen[0][r][q] = seen[0][r][q + STRIDE];
                        seen[1][r][q] = seen[1][r][q + STRIDE];
                    }
#pragma unroll
                    for (int q = 3 - STRIDE; q < 3; ++q) {
                        seen[0][r][q] = x0[r * width + column * STRIDE + q];
                        seen[1][r][q] = x1[r * width + column * STRIDE + q];
                    }
                }
                const float d[2] = {d0[column], d1[column]};
#pragma unroll
                for (int o = 0; o < 2; ++o) {
#pragma unroll
                    for (int c = 0; c < 2; ++c) {
#pragma unroll
                        for (int tap = 0; tap < 9; ++tap) {
                            sums[o][c][tap] = fmaf(d[o], seen[c][tap / 3][tap % 3], sums[o][c][tap]);
                        }
                    }
                }
            }
        }
    }
    // The second half of the threads hands its sums over: 36 values a thread, a thread's values 65 apart.
    __syncthreads();
    if (half == 1) {
        for (int i = 0; i < 36; ++i) shared[i * 65 + threadIdx.x - 64] = sums[i / 18][i / 9 % 2][i % 9];
    }
    __syncthreads();
    if (half == 1) return;
    float* to = parts + (size_t)blockIdx.x * g.o * g.c * 9;
    for (int i = 0; i < 36; ++i) {
        const int o = o0 + oi + i / 18 * 8, c = c0 + ci + i / 9 % 2 * 8;
        if (o < g.o && c < g.c) to[((size_t)o * g.c + c) * 9 + i % 9] = sums[i / 18][i / 9 % 2][i % 9] + shared[i * 65 + threadIdx.x];
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) weight_grad_1(const float* x, const float* dy, float* parts, Geometry g, int rows) {
    weight_grad<1>(x, dy, parts, g, rows);
}
extern "C" __global__ void __launch_bounds__(THREADS) weight_grad_2(const float* x, const float* dy, float* parts, Geometry g, int rows) {
    weight_grad<2>(x, dy, parts, g, rows);
}
