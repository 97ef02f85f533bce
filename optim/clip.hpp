// Clipping of gradients, between backward() and step().
//
// Both change the grad of each parameter in place; a parameter without one is passed over. Each should be given once.
// Bitwise the same for any number of threads. One thread at a time.
#pragma once

#include <vector>

#include <rill/nn/module.hpp>

namespace rill::optim {

/// Scales all gradients by min(1, max_norm / (norm + 1e-6)), and returns the norm that they had: (Σ |g|^p)^(1/p) over
/// all elements of all gradients, or for an infinite p their largest |g|; summed in f64. PyTorch's form: an infinite
/// norm leaves zeros, and NaN where an infinity was; a NaN leaves only NaN; unless `error_if_nonfinite`. With an infinite max_norm nothing is scaled.
/// Throws Error, and changes nothing, for an undefined parameter, max_norm not 0 or more, norm_type not above 0, or a
/// norm that is not finite where that is asked for.
double clip_grad_norm_(const std::vector<Tensor>& params, double max_norm, double norm_type = 2,
                       bool error_if_nonfinite = false);
/// The same for all parameters of a model.
double clip_grad_norm_(nn::Module& model, double max_norm, double norm_type = 2,
                       bool error_if_nonfinite = false);

/// Takes every element of the gradients to the nearest number in [-clip_value, clip_value]; NaN stays. Throws Error, and
/// changes nothing, for an undefined parameter or a clip_value not 0 or more.
void clip_grad_value_(const std::vector<Tensor>& params, double clip_value);
void clip_grad_value_(nn::Module& model, double clip_value);

}  // namespace rill::optim
