#include <rill/core/kernels/philox.hpp>
#include <rill/core/random.hpp>

#define RILL_KERNEL philox_draws
#define RILL_KERNEL_BODY <rill/core/kernels/philox_body.hpp>
#include <rill/core/kernels/each_isa.hpp>

namespace rill::kernels {

void draw_philox(const PhiloxBlocks& blocks, std::uint32_t* to, Isa isa) {
  takes_avx2(isa) ? philox_draws::avx2::draw(blocks, to) : philox_draws::plain::draw(blocks, to);
}

}  // namespace rill::kernels
