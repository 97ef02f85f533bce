# Draws what examples/mnist_mlp wrote into a folder: gnuplot -c examples/mnist_mlp.gp runs/mnist_mlp
# Writes training.svg and training.png beside the log.
run = ARG1
log = run."/log.csv"
set datafile separator ","
set datafile missing ""
stats log using 2 every ::1 nooutput
steps = STATS_max

do for [kind in "svg png"] {
  if (kind eq "svg") {
    set terminal svg size 860,420 font "sans-serif,14" background "white"
  } else {
    set terminal pngcairo size 1720,840 font "sans,26" linewidth 2
  }
  set output run."/training.".kind
  set title "784-256-128-10 with LeakyReLU on MNIST"
  set xlabel "step"
  set ylabel "training loss (cross-entropy, smoothed)"
  set y2label "test accuracy (%)"
  set logscale y
  set format y "%g"
  set y2range [94:100]
  set y2tics 1
  set ytics nomirror
  set xrange [0:steps]
  set key center right
  set grid xtics y2tics linecolor rgb "#dddddd"
  plot log using 2:4 every ::1 with lines linecolor rgb "#0072B2" linewidth 2 title "training loss", \
       log using 2:($5*100) every ::1 axes x1y2 with linespoints linecolor rgb "#D55E00" pointtype 7 pointsize 0.8 \
       linewidth 2 title "test accuracy"
}
