#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numbers>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rill/core/error.hpp>
#include <rill/core/parallel.hpp>
#include <rill/core/random.hpp>
#include <rill/nn/data/drawn_digits.hpp>

namespace rill::nn::data {
namespace {

constexpr int side = 28;
constexpr std::size_t image_size = std::size_t{side} * side;

struct Point {
  double x, y;
  friend bool operator==(const Point&, const Point&) = default;
};

using Stroke = std::vector<Point>;
using Style = std::vector<Stroke>;

struct WrittenStyle {
  int digit;
  std::string_view strokes;
};

// How people write them, in a box of 100 x 100 with y downwards: points "x,y" that a smooth curve goes through, a
// corner where a point stands twice, strokes parted by "/".
constexpr WrittenStyle written_styles[] = {
    {0, "56,2 34,10 18,34 16,60 26,86 48,98 68,90 82,66 84,40 74,14 56,2 44,6"},
    {0, "62,8 48,1 30,8 16,32 18,64 32,92 52,99 72,88 84,62 84,34 72,12 54,3"},
    {0, "40,4 24,18 16,46 22,76 40,96 60,97 76,80 84,52 78,22 60,3 40,8 52,20"},
    {1, "52,0 51,50 50,100"},
    {1, "50,0 50,50 50,100"},
    {1, "48,0 52,48 50,100"},
    {1, "30,22 44,12 54,0 54,0 53,50 52,100"},
    {1, "28,24 42,14 52,0 52,0 51,50 50,98 50,98 / 25,99 50,98 76,98"},
    {2, "14,24 34,2 66,4 78,28 58,60 34,82 10,98 10,98 48,96 90,97"},
    {2, "16,20 42,0 74,14 72,42 46,74 22,96 8,86 26,74 56,90 92,94"},
    {2, "20,10 54,0 78,20 62,50 30,76 14,90 24,97 58,94 88,88"},
    {3, "18,12 46,0 74,12 70,36 40,47 40,47 74,56 82,80 54,100 14,92"},
    {3, "16,4 48,2 80,3 80,3 60,22 40,40 40,40 76,52 80,82 48,100 12,90"},
    {3, "20,14 50,1 72,18 58,40 36,48 64,52 84,72 66,96 34,99 14,86"},
    {4, "24,4 20,30 14,54 14,54 48,54 88,50 / 74,0 70,50 66,100"},
    {4, "64,0 38,32 8,64 8,64 50,64 94,62 / 64,0 64,50 64,100"},
    {4, "22,2 18,34 30,50 58,48 76,40 / 78,0 74,50 70,100"},
    {5, "26,4 22,42 22,42 52,34 80,52 78,84 48,100 12,92 / 26,4 54,3 84,1"},
    {5, "84,2 54,4 30,6 30,6 24,42 24,42 56,38 78,60 68,90 38,100 12,92"},
    {5, "82,0 46,6 28,24 44,44 70,58 74,84 48,100 14,94"},
    {6, "70,1 38,26 20,64 34,96 66,96 80,74 62,54 36,62 22,80"},
    {6, "52,0 30,34 20,74 40,99 70,90 72,66 50,58 26,74"},
    {7, "10,6 46,5 86,3 86,3 62,44 42,100"},
    {7, "10,6 46,5 86,3 86,3 62,44 42,100 / 34,50 56,48 80,46"},
    {7, "14,22 14,6 14,6 46,8 86,4 86,4 66,36 52,66 50,100"},
    {8, "74,14 46,0 24,18 42,42 72,64 74,90 46,100 22,84 36,60 66,38 76,16"},
    {8, "50,47 26,30 34,4 64,3 74,26 50,47 24,66 28,94 62,99 80,76 50,47"},
    {8, "78,8 50,2 26,16 40,40 68,62 70,88 44,100 24,82 40,56 64,30 78,8"},
    {9, "76,16 48,0 20,18 26,46 56,50 76,18 76,18 72,56 64,100"},
    {9, "76,20 52,1 24,16 22,42 50,52 74,28 78,16 78,60 60,96 24,94"},
    {9, "70,6 36,6 22,34 44,50 70,36 72,4 72,4 70,50 70,100"},
};

Style read_style(std::string_view text) {
  Style style(1);
  std::istringstream words{std::string(text)};
  for (std::string word; words >> word;) {
    if (word == "/") {
      style.emplace_back();
    } else {
      style.back().push_back({std::stoi(word) / 100.0, std::stoi(word.substr(word.find(',') + 1)) / 100.0});
    }
  }
  return style;
}

const std::vector<Style>& styles_of(int digit) {
  static const auto all = [] {
    std::array<std::vector<Style>, 10> styles;
    for (const auto& [of, strokes] : written_styles)
      styles[static_cast<std::size_t>(of)].push_back(read_style(strokes));
    return styles;
  }();
  return all[static_cast<std::size_t>(digit)];
}

// A smooth random displacement of the unit box: normal values on a grid, blended with smoothstep weights.
class ElasticField {
 public:
  ElasticField(Stream& stream, double strength) {
    for (Point& node : nodes_) node = {strength * stream.normal(), strength * stream.normal()};
  }

  Point displaced(Point p) const {
    const auto [column, u] = cell(p.x);
    const auto [row, v] = cell(p.y);
    const Point *top = &nodes_[row * cells + column], *bottom = top + cells;
    const auto blend = [u = u, v = v](double a, double b, double c, double d) {
      return (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * c + u * d);
    };
    return {p.x + blend(top[0].x, top[1].x, bottom[0].x, bottom[1].x),
            p.y + blend(top[0].y, top[1].y, bottom[0].y, bottom[1].y)};
  }

 private:
  static constexpr std::size_t cells = 4;

  static std::pair<std::size_t, double> cell(double at) {
    const double scaled = std::clamp(at, 0.0, 0.9999) * (cells - 1), floor = std::floor(scaled);
    const double t = scaled - floor;
    return {static_cast<std::size_t>(floor), t * t * (3 - 2 * t)};
  }

  std::array<Point, cells * cells> nodes_{};
};

// A piece of a stroke; the pen's radius changes along it.
struct Segment {
  Point from, to;
  double radius;
};

// Samples a uniform Catmull-Rom spline through the points.
void trace(const Stroke& points, std::vector<Segment>& segments) {
  constexpr int steps = 5;
  const auto at = [&](std::ptrdiff_t i) {
    return points[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(i, 0, std::ssize(points) - 1))];
  };
  const auto curve = [](double a, double b, double c, double d, double t) {
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  };
  for (std::ptrdiff_t i = 0; i + 1 < std::ssize(points); ++i) {
    const Point a = at(i - 1), b = at(i), c = at(i + 1), d = at(i + 2);
    if (b == c) continue;
    Point last = b;
    for (int step = 1; step <= steps; ++step) {
      const double t = static_cast<double>(step) / steps;
      const Point next{curve(a.x, b.x, c.x, d.x, t), curve(a.y, b.y, c.y, d.y, t)};
      segments.push_back({std::exchange(last, next), next, 0});
    }
  }
}

// How one sample is written. Lengths are in the style's box, from `size` on in pixels.
struct Hand {
  double wobble, elastic;                       // how far points, and regions, stray
  double rotation, slant, aspect;               // radians, shear, width over height
  double size, radius, softness, swing, phase;  // of the digit's box, of the pen, of its edge and pressure
  double ink, shift_x, shift_y;
};

Hand draw_hand(Stream& stream) {
  // Beyond two deviations a digit would lie on its side.
  const auto leaning = [&] { return std::clamp(stream.normal(), -2.0, 2.0); };
  Hand hand{};
  hand.wobble = stream.uniform(0.008, 0.030);
  hand.elastic = stream.uniform(0.02, 0.07);
  hand.rotation = 0.13 * leaning();
  hand.slant = 0.12 + 0.20 * leaning();
  hand.aspect = std::exp(-0.15 + 0.22 * leaning());
  hand.size = stream.uniform(17.5, 20.5);
  hand.radius = stream.uniform(0.85, 1.9);
  hand.softness = stream.uniform(1.0, 1.6);
  hand.swing = stream.uniform(0, 0.25);
  hand.phase = stream.uniform(0, 2 * std::numbers::pi);
  hand.ink = 255 * (1 - 0.25 * stream.uniform() * stream.uniform());
  hand.shift_x = stream.uniform(-1.2, 1.2);
  hand.shift_y = stream.uniform(-1.2, 1.2);
  return hand;
}

// Writes one sample's strokes in the style's box: control points stray, the curve through them is bent as a whole.
void write_strokes(const Style& style, const Hand& hand, Stream& stream, std::vector<Segment>& segments) {
  const ElasticField field(stream, hand.elastic);
  segments.clear();
  Stroke moved;
  for (const Stroke& stroke : style) {
    moved.clear();
    for (std::size_t i = 0; i < stroke.size(); ++i) {
      // A corner stands twice and stays one point.
      const bool corner = i > 0 && stroke[i] == stroke[i - 1];
      moved.push_back(corner ? moved.back()
                             : Point{stroke[i].x + hand.wobble * stream.normal(),
                                     stroke[i].y + hand.wobble * stream.normal()});
    }
    trace(moved, segments);
  }
  const double cosine = std::cos(hand.rotation), sine = std::sin(hand.rotation);
  const auto place = [&](Point p) {
    const Point q = field.displaced(p);
    const double x = hand.aspect * (q.x - 0.5) - hand.slant * (q.y - 0.5), y = q.y - 0.5;
    return Point{cosine * x - sine * y, sine * x + cosine * y};
  };
  for (Segment& segment : segments) {
    segment.radius =
        hand.radius * (1 + hand.swing * std::sin(hand.phase + 4 * (segment.from.x + segment.from.y)));
    segment.from = place(segment.from);
    segment.to = place(segment.to);
  }
}

// Scales the strokes into the hand's box and moves their centre of ink to the middle of the image.
void lay_out(const Hand& hand, std::vector<Segment>& segments) {
  Point low = segments.front().from, high = low, centre{0, 0};
  double ink = 0;
  for (const auto& [from, to, radius] : segments) {
    for (const Point p : {from, to}) {
      low = {std::min(low.x, p.x), std::min(low.y, p.y)};
      high = {std::max(high.x, p.x), std::max(high.y, p.y)};
    }
    const double weight = radius * std::hypot(to.x - from.x, to.y - from.y);
    ink += weight;
    centre = {centre.x + weight * (from.x + to.x) / 2, centre.y + weight * (from.y + to.y) / 2};
  }
  const double extent = std::max({high.x - low.x, high.y - low.y, 0.1});
  const double scale = (hand.size - 2 * hand.radius) / extent, middle = (side - 1) / 2.0;
  const double x = middle + hand.shift_x - scale * centre.x / ink,
               y = middle + hand.shift_y - scale * centre.y / ink;
  const auto placed = [&](Point p) { return Point{scale * p.x + x, scale * p.y + y}; };
  for (Segment& segment : segments) segment = {placed(segment.from), placed(segment.to), segment.radius};
}

// Raises every pixel near the segment to the ink that a round pen leaves there: 1 inside, a ramp across the edge.
void draw_segment(const Segment& segment, float softness, std::span<float, image_size> shade) {
  const auto ax = static_cast<float>(segment.from.x), ay = static_cast<float>(segment.from.y);
  const auto dx = static_cast<float>(segment.to.x) - ax, dy = static_cast<float>(segment.to.y) - ay;
  const auto radius = static_cast<float>(segment.radius);
  const float reach = radius + softness / 2, scale = 1 / std::max(dx * dx + dy * dy, 1e-12F);
  const auto first = [&](float a, float d) {
    return static_cast<int>(std::clamp(std::ceil(std::min(a, a + d) - reach), 0.0F, side * 1.0F));
  };
  const auto last = [&](float a, float d) {
    return static_cast<int>(std::clamp(std::floor(std::max(a, a + d) + reach), -1.0F, side - 1.0F));
  };
  const int left = first(ax, dx), right = last(ax, dx), bottom = last(ay, dy);
  for (int row = first(ay, dy); row <= bottom; ++row) {
    const float py = static_cast<float>(row) - ay;
    for (int column = left; column <= right; ++column) {
      const float px = static_cast<float>(column) - ax;
      const float along = std::clamp((px * dx + py * dy) * scale, 0.0F, 1.0F);
      const float ex = px - along * dx, ey = py - along * dy;
      const float value = (radius - std::sqrt(ex * ex + ey * ey)) / softness + 0.5F;
      const int place = row * side + column;
      float& pixel = shade[static_cast<std::size_t>(place)];
      pixel = std::max(pixel, value);
    }
  }
}

void draw_digit(int digit, Stream stream, std::vector<Segment>& segments, std::span<std::uint8_t> image) {
  const Hand hand = draw_hand(stream);
  const std::vector<Style>& styles = styles_of(digit);
  write_strokes(styles[stream.below(styles.size())], hand, stream, segments);
  lay_out(hand, segments);
  std::array<float, image_size> shade{};
  for (const Segment& segment : segments) draw_segment(segment, static_cast<float>(hand.softness), shade);
  for (std::size_t i = 0; i < image_size; ++i) {
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): never negative
    image[i] = static_cast<std::uint8_t>(static_cast<float>(hand.ink) * std::min(shade[i], 1.0F) + 0.5F);
  }
}

}  // namespace

std::shared_ptr<ImageDataset> draw_digits(std::int64_t count, std::uint64_t seed, bool train,
                                          ImageOptions options) {
  constexpr std::int64_t most = 10'000'000, chunk = 100;
  RILL_CHECK(count >= 1 && count <= most, "draw_digits: count is ", count, ", expected 1 to ", most);
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(count) * image_size);
  std::vector<std::int64_t> labels(static_cast<std::size_t>(count));
  const std::span<std::uint8_t> all = pixels;
  // Epochs 0 and 1 are the samples of the two sets, 2 and 3 the orders of the ten digits.
  const std::uint32_t set = train ? 0 : 1, orders = set + 2;
  parallel_tasks((count + chunk - 1) / chunk, [&](std::int64_t task) {
    std::vector<Segment> segments;
    std::vector<std::int64_t> order;
    for (std::int64_t i = task * chunk; i < std::min(count, (task + 1) * chunk); ++i) {
      if (i % 10 == 0)
        order = permutation(10, Stream(seed, Purpose::digits, orders, static_cast<std::uint32_t>(i / 10)));
      const auto sample = static_cast<std::size_t>(i);
      labels[sample] = order[static_cast<std::size_t>(i % 10)];
      draw_digit(static_cast<int>(labels[sample]),
                 Stream(seed, Purpose::digits, set, static_cast<std::uint32_t>(i)), segments,
                 all.subspan(sample * image_size, image_size));
    }
  });
  return std::make_shared<ImageDataset>(std::move(pixels), std::move(labels), side, side, 10, options);
}

}  // namespace rill::nn::data
