// Owned: one module of any kind, held by value: what Sequential and AnyActivation are made of.
#pragma once

#include <concepts>
#include <memory>
#include <typeinfo>
#include <utility>

#include <rill/nn/module.hpp>

namespace rill::nn::detail {

/// Owns a module, or none, and knows how to copy it as what it is.
class Owned {
 public:
  Owned() = default;
  /// It can be copied if M can, and if the module is an M itself: one of a derived type would be cut down to M.
  template <std::derived_from<Module> M>
  explicit Owned(std::unique_ptr<M> module) {
    if constexpr (std::copy_constructible<M>) {
      const Module* own = module.get();
      if (own && typeid(*own) == typeid(M)) {
        copy_ = [](const Module& original) -> std::unique_ptr<Module> {
          return std::make_unique<M>(static_cast<const M&>(original));
        };
      }
    }
    module_ = std::move(module);
  }

  Module* get() const { return module_.get(); }
  explicit operator bool() const { return static_cast<bool>(module_); }
  bool copyable() const { return copy_ != nullptr; }
  /// Another one with a copy of the module, which must be copyable.
  Owned copy() const {
    Owned other;
    other.module_ = copy_(*module_);
    other.copy_ = copy_;
    return other;
  }

 private:
  std::unique_ptr<Module> module_;
  std::unique_ptr<Module> (*copy_)(const Module&) = nullptr;
};

}  // namespace rill::nn::detail
