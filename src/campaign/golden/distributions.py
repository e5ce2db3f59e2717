"""Prints distributions.inc, the quantiles that distributions_test.cpp expects.

Bisection on mpmath's incomplete beta function with 40 digits:
    python3 distributions.py > distributions.inc
"""

from mpmath import betainc, erfinv, mp, mpf, sqrt

mp.dps = 40


def student_cdf(t, df):
    tail = betainc(mpf(df) / 2, mpf(1) / 2, 0, df / (df + t * t), regularized=True) / 2
    return 1 - tail if t > 0 else tail


def bisect(function, low, high):
    low, high = mpf(low), mpf(high)
    for _ in range(120):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return low


def student_quantile(p, df):
    return bisect(lambda t: student_cdf(t, df) - p, 0, 1000)


def beta_quantile(p, a, b):
    return bisect(lambda x: betainc(a, b, 0, x, regularized=True) - p, 0, 1)


print("// Written by golden/distributions.py.")
print("constexpr StudentCase kStudent[] = {  // degrees of freedom, probability, quantile")
for df in (1, 2, 5, 19, 29, 44, 99, 1000):
    for p in ("0.9", "0.975", "0.995"):
        print(f"{{{df}, {p}, {float(student_quantile(mpf(p), df)).hex()}}},")
print("};")
print("constexpr ClopperPearsonCase kClopperPearson[] = {  // successes, count, confidence, interval")
for k, n in ((1, 10), (5, 10), (9, 10), (17, 20), (3, 100), (250, 384), (1, 10000)):
    for confidence in ("0.95", "0.99"):
        tail = (1 - mpf(confidence)) / 2
        low, high = beta_quantile(tail, k, n - k + 1), beta_quantile(1 - tail, k + 1, n - k)
        print(f"{{{k}, {n}, {confidence}, {float(low).hex()}, {float(high).hex()}}},")
print("};")
print("constexpr NormalCase kNormal[] = {  // probability, quantile")
for p in ("1e-9", "0.025", "0.3", "0.5", "0.84", "0.995"):
    print(f"{{{p}, {float(sqrt(2) * erfinv(2 * mpf(p) - 1)).hex()}}},")
print("};")
