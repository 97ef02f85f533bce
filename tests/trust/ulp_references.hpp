// What unary functions and their derivatives are, in a wider type R, and the bounds of rill's f32 in units in the last
// place. A formula of core/op_list.hpp without a Reference does not compile.
//
// R is double, which is good for everything but 0.01 ulp, or long double, which decides. Attributes that the formula takes
// in x's dtype are rounded to float here too. Infinities are limits: no infinity is multiplied by 0.
#pragma once

#include "ulp_activations.hpp"
#include "ulp_math.hpp"
