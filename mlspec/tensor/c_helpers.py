"""Functions in C that statements call, and about how many bytes they take."""

from __future__ import annotations

WINDOWS = """\
/* an image, how many windows lie on it, their size and steps, and how far the first ones reach beyond its edges */
struct windows {
    int32_t height, width, channels, down, across, high, wide, stride_down, stride_across, above, before;
};
"""
_WALK = """\
static void {name}(const float *x, const struct windows *at, {takes})
{{
    for (int i = 0; i < at->down; i++) {{
        int top = i * at->stride_down - at->above, upper = top < 0 ? 0 : top;
        int lower = top + at->high < at->height ? top + at->high : at->height;
        for (int j = 0; j < at->across; j++) {{
            int left = j * at->stride_across - at->before, from = left < 0 ? 0 : left;
            int to = left + at->wide < at->width ? left + at->wide : at->width;
            for (int k = 0; k < {outputs}; k++) {{
{body}            }}
        }}
    }}
}}
"""
"""Windows are cut at the edges of an image: what would lie beyond is never read, and a margin needs no copy of the image."""

WINDOWED = {
    "conv2d": (
        "const float *weights, const float *bias, float *sums, int outputs",
        "outputs",
        """\
                float sum = 0.0f;
                for (int a = upper; a < lower; a++) {
                    const float *line = x + a * at->width * at->channels;
                    int place = ((k * at->high + a - top) * at->wide - left) * at->channels;
                    for (int b = from * at->channels; b < to * at->channels; b++)
                        sum += line[b] * weights[place + b];
                }
                *sums++ = bias ? sum + bias[k] : sum;
""",
    ),
    "depthwise_conv2d": (
        "const float *weights, const float *bias, float *sums",
        "at->channels",
        """\
                float sum = 0.0f;
                for (int a = upper; a < lower; a++)
                    for (int b = from; b < to; b++) {
                        float number = x[(a * at->width + b) * at->channels + k];
                        sum += number * weights[((a - top) * at->wide + b - left) * at->channels + k];
                    }
                *sums++ = bias ? sum + bias[k] : sum;
""",
    ),
    "max_pool": (
        "float *largest",
        "at->channels",
        """\
                float most = x[(upper * at->width + from) * at->channels + k];
                for (int a = upper; a < lower; a++)
                    for (int b = from; b < to; b++) {
                        float number = x[(a * at->width + b) * at->channels + k];
                        most = number > most || number != number ? number : most;
                    }
                *largest++ = most;
""",
    ),
    "average_pool": (
        "float *means",
        "at->channels",
        """\
                float sum = 0.0f;
                for (int a = upper; a < lower; a++)
                    for (int b = from; b < to; b++)
                        sum += x[(a * at->width + b) * at->channels + k];
                *means++ = sum / (float)((lower - upper) * (to - from));
""",
    ),
}
"""Operation on windows -> what its function takes besides, how many numbers it gives for a window, and how it gets one."""


def _over_windows(name: str, takes: str, outputs: str, body: str) -> str:
    return _WALK.format(name=name, takes=takes, outputs=outputs, body=body)


HELPERS = {
    **{name: _over_windows(name, *parts) for name, parts in WINDOWED.items()},
    "smaller": """\
static float smaller(float a, float b)
{
    return a <= b || a != a ? a : b;
}
""",
    "larger": """\
static float larger(float a, float b)
{
    return a >= b || a != a ? a : b;
}
""",
    "rectified": """\
static float rectified(float a)
{
    return a < 0.0f ? 0.0f : a;
}
""",
    "capped": """\
static float capped(float a)
{
    return a < 0.0f ? 0.0f : a > 6.0f ? 6.0f : a;
}
""",
    "hard_swish": """\
static float hard_swish(float a)
{
    float gate = a + 3.0f;
    gate = gate < 0.0f ? 0.0f : gate > 6.0f ? 6.0f : gate;
    return a * gate / 6.0f;
}
""",
    "absolute": """\
static float absolute(float a)
{
    return a <= 0.0f ? 0.0f - a : a;
}
""",
    "sigmoid": """\
static float sigmoid(float a)
{
    return 1.0f / (1.0f + expf(-a));
}
""",
    "whole_number": """\
static int32_t whole_number(float a)
{
    if (a >= 0x1p31f)
        return INT32_MAX;
    return a >= -0x1p31f ? (int32_t)a : INT32_MIN;
}
""",
    "place": """\
static int32_t place(int32_t number, int32_t count)
{
    if (number < 0)
        return 0;
    return number < count ? number : count - 1;
}
""",
    "softmax": """\
static void softmax(const float *x, float *shares, int count)
{
    float most = x[0], total = 0.0f;
    for (int i = 1; i < count; i++)
        most = x[i] > most ? x[i] : most;
    for (int i = 0; i < count; i++) {
        shares[i] = expf(x[i] - most);
        total += shares[i];
    }
    for (int i = 0; i < count; i++)
        shares[i] /= total;
}
""",
    "key": """\
#define MISSING INT32_MAX

/* whole numbers that rise as the numbers rise; both zeros are 0 */
static int32_t key(float number)
{
    union {
        float number;
        uint32_t bits;
    } one;
    one.number = number;
    uint32_t size = one.bits & 0x7fffffffu;
    if (size > 0x7f800000u)
        return MISSING;
    return one.bits >> 31 ? -(int32_t)size : (int32_t)size;
}
""",
    "matmul": """\
static void matmul(const float *x, const float *y, float *sums, int rows, int inner, int outer, int down, int across)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < outer; j++) {
            float sum = 0.0f;
            for (int k = 0; k < inner; k++)
                sum += x[i * inner + k] * y[k * down + j * across];
            *sums++ = sum;
        }
}
""",
}
DENSE = """\
static void {name}(const float *x, int inputs, const {kind} *weights, const float *bias, float *sums, int outputs)
{{
    for (int i = 0; i < outputs; i++) {{
        float sum = 0.0f;
        for (int j = 0; j < inputs; j++)
            sum += x[j] * *weights++;
        sums[i] = bias ? sum + bias[i] : sum;
    }}
}}
"""
NEEDS_MATH = {"sigmoid", "softmax"}
CODE = {
    "smaller": 30,
    "larger": 30,
    "rectified": 20,
    "capped": 40,
    "hard_swish": 56,
    "absolute": 24,
    "sigmoid": 36,
    "whole_number": 40,
    "place": 14,
    "softmax": 110,
    "key": 32,
    "dense": 72,
    "matmul": 110,
    "conv2d": 240,
    "depthwise_conv2d": 200,
    "max_pool": 160,
    "average_pool": 180,
}
"""About how many bytes a helper takes, as gcc 12 makes them for a Cortex-M4 with -Os."""
ENTRY, LOOP, PER_OPERATION, CALL = 24, 19, 9, 18
