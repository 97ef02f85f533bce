#include <algorithm>
#include <utility>

#include <rill/optim/callback.hpp>

namespace rill::optim {

Run::Run(nn::Module& of_model, Optimizer& of_optimizer, const Loss& of_loss)
    : model(of_model), optimizer(of_optimizer), loss(of_loss) {
  for (std::size_t group = 0; group < optimizer.group_count(); ++group)
    std::ranges::copy(optimizer.params(group), std::back_inserter(params));
}

void Run::stop(std::string why) {
  RILL_CHECK(!why.empty(), "stop: the reason is empty, expected one");
  if (!std::exchange(stopped_, true)) reason_ = std::move(why);
}

void Run::diverge(std::string why) {
  RILL_CHECK(!why.empty(), "diverge: the reason is empty, expected one");
  if (!std::exchange(diverged_, true)) {
    stopped_ = true;
    reason_ = std::move(why);
  }
}

void Run::interrupt(std::string why) {
  RILL_CHECK(!why.empty(), "interrupt: the reason is empty, expected one");
  if (!std::exchange(interrupted_, true)) interruption_ = std::move(why);
}

}  // namespace rill::optim
