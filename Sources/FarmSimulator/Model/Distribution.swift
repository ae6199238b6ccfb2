import Foundation

/// A distribution of service times, in microseconds. It is drawn by its quantile: a request has one random number, and is
/// small or large at whichever member it comes to. So algorithms are compared on the same work.
public enum Distribution: Sendable, Equatable {
    case constant(Double)
    case exponential(mean: Double)
    /// `sigma` is the standard deviation of the logarithm.
    case lognormal(median: Double, sigma: Double)
    /// `part` (0 to 1) of the requests take `long`, the others `short`.
    case bimodal(short: Double, long: Double, part: Double)

    /// The time below which the part `u` (between 0 and 1, both exclusive) of the requests stays.
    public func quantile(_ u: Double) -> Double {
        switch self {
        case .constant(let time): time
        case .exponential(let mean): -mean * log1p(-u)
        case .lognormal(let median, let sigma): median * exp(sigma * Self.normalQuantile(u))
        case .bimodal(let short, let long, let part): u < 1 - part ? short : long
        }
    }

    /// The mean, in microseconds.
    public var mean: Double {
        switch self {
        case .constant(let time): time
        case .exponential(let mean): mean
        case .lognormal(let median, let sigma): median * exp(sigma * sigma / 2)
        case .bimodal(let short, let long, let part): short + (long - short) * part
        }
    }

    /// The quantile of the standard normal distribution: rational approximations in three pieces (P. J. Acklam, An
    /// algorithm for computing the inverse normal cumulative distribution function, 2003). Relative error 1.2e-9.
    static func normalQuantile(_ u: Double) -> Double {
        let edge = 0.02425
        if u < edge { return tail(sqrt(-2 * log(u))) }
        if u > 1 - edge { return -tail(sqrt(-2 * log(1 - u))) }
        let q = u - 0.5
        let r = q * q
        let above = horner(
            r, -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02, 1.383577518672690e+02,
            -3.066479806614716e+01, 2.506628277459239e+00)
        let below = horner(
            r, -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01,
            -1.328068155288572e+01, 1)
        return above * q / below
    }

    private static func tail(_ q: Double) -> Double {
        let above = horner(
            q, -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00, -2.549732539343734e+00,
            4.374664141464968e+00, 2.938163982698783e+00)
        let below = horner(
            q, 0, 7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00, 1)
        return above / below
    }

    private static func horner(
        _ x: Double, _ a: Double, _ b: Double, _ c: Double, _ d: Double, _ e: Double, _ f: Double
    ) -> Double {
        ((((a * x + b) * x + c) * x + d) * x + e) * x + f
    }
}
