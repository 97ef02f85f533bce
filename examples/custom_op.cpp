// An op of one's own, outside of the library: polar(x, y) gives radius and angle. It is checked against differences
// of its values, in first and second order, and then finds the centre of a spiral.
#include <cmath>
#include <iostream>

#include <rill/rill.hpp>

#include "program.hpp"

namespace {

using namespace rill;

/// r = √(x² + y²), θ = atan2(y, x). What gradient() takes after the incoming gradients is what the graph saves.
struct Polar {
  static constexpr std::string_view name = "polar";
  static constexpr int outputs = 2;

  // Checks the inputs; the shapes and dtypes of the results.
  std::array<Meta, 2> infer(const Tensor& x, const Tensor& y) const {
    RILL_CHECK(x.shape() == y.shape(), name, ": x is ", x.shape(), " and y ", y.shape(),
               ", expected equal shapes");
    RILL_CHECK(x.dtype() == y.dtype() && is_floating(x.dtype()), name, ": dtypes are ", x.dtype(), " and ",
               y.dtype(), ", expected f32 or f64 for both");
    return {{{x.shape(), x.dtype()}, {x.shape(), x.dtype()}}};
  }

  // The kernel; the results are allocated.
  void forward(const Tensor& x, const Tensor& y, Tensor& r, Tensor& theta) const {
    dispatch_floating(x.dtype(), name, [&]<class T>(T) {
      const std::span xs = x.data<T>(), ys = y.data<T>();
      const std::span radii = r.mutable_data<T>(), angles = theta.mutable_data<T>();
      for (std::size_t i = 0; i < xs.size(); ++i) {
        radii[i] = std::hypot(xs[i], ys[i]);
        angles[i] = std::atan2(ys[i], xs[i]);
      }
    });
  }

  // dr = (x dx + y dy) / r and dθ = (x dy - y dx) / r². Written with ops, so it has a gradient as well; the gradient of a
  // result that nobody used is undefined.
  std::array<Tensor, 2> gradient(const Incoming& g, Input<0> x, Input<1> y, Output<0> r) const {
    const Tensor g_r = g[0].defined() ? g[0] / r() : zeros_like(r());
    const Tensor g_theta = g[1].defined() ? g[1] / r().square() : zeros_like(r());
    return {g_r * x() - g_theta * y(), g_r * y() + g_theta * x()};
  }
};

std::array<Tensor, 2> polar(const Tensor& x, const Tensor& y) { return apply(Polar{}, x, y); }

void check_gradients(Generator& generator) {
  const TensorFunction function = [](const std::vector<Tensor>& inputs) {
    const auto [r, theta] = polar(inputs[0], inputs[1]);
    return std::vector{r, theta};
  };
  // In f64; far from the origin, where the angle jumps.
  const Tensor x = (2 + rand({5}, generator, DType::f64)).requires_grad_();
  const Tensor y = randn({5}, generator, DType::f64).requires_grad_();
  for (const auto& [order, result] : {std::pair("first", gradcheck(function, {x, y})),
                                      std::pair("second", gradgradcheck(function, {x, y}))}) {
    RILL_CHECK(result.passed(), "polar: ", result.failure);
    std::cout << "gradients of the " << order << " order are right, to " << result.worst << '\n';
  }
}

// Noisy points of the spiral r = 2 + θ / 2 around (3, -1): finds the centre, the 2 and the 1/2.
void find_spiral(Generator& generator, int steps) {
  const Tensor angle = 5 * rand({500}, generator) - 2.5,
               radius = 2 + angle / 2 + 0.05 * randn({500}, generator);
  const Tensor x = 3 + radius * angle.cos(), y = -1 + radius * angle.sin();

  Tensor center_x = zeros({1}), center_y = zeros({1}), start = zeros({1}), growth = zeros({1});
  const std::vector<Tensor> unknown{center_x, center_y, start, growth};
  for (Tensor parameter : unknown) parameter.requires_grad_();
  optim::Adam optimizer(unknown, {.lr = 0.05});
  for (int step = 0; step <= steps; ++step) {
    const auto [r, theta] = polar(x - center_x, y - center_y);
    const Tensor loss = mse_loss(r, start + growth * theta);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    if (step % 100 == 0) std::cout << "step " << step << ": loss " << loss.item() << '\n';
  }
  std::cout << "centre (" << center_x.item() << ", " << center_y.item() << "), expected (3, -1)\n"
            << "r = " << start.item() << " + " << growth.item() << " theta, expected 2 + 0.5 theta\n";
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program("An op of one's own: checked, and used in training.");
  return program.run(argc, argv, [&] {
    Generator generator(program.seed);
    check_gradients(generator);
    find_spiral(generator, program.quick ? 400 : 1000);
  });
}
