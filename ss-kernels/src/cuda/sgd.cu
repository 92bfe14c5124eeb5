// One step of stochastic gradient descent. Compiled at run time (NVRTC), for the GPU that is there.

// buffer is null without momentum. The learning rate lies on the GPU: a recorded step reads the one of the day.
extern "C" __global__ void sgd(float* value, const float* grad, float* buffer, int len, const float* rate, float momentum,
                               float decay, int nesterov) {
    const float lr = *rate;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < len; i += gridDim.x * blockDim.x) {
        const float v = value[i];
        float g = fmaf(decay, v, grad[i]);
        if (buffer) {
            const float b = fmaf(momentum, buffer[i], g);
            buffer[i] = b;
            g = nesterov ? fmaf(momentum, b, g) : b;
        }
        value[i] = fmaf(-lr, g, v);
    }
}
