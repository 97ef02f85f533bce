# Draws what examples/elu_8x128 wrote into a folder: gnuplot -c examples/elu_8x128.gp runs/elu_8x128 MNIST
# The second argument names the data in the title. Writes elu_8x128.svg and elu_8x128.png beside the numbers.
run = ARG1
log = run."/elu_8x128.csv"
set datafile separator ","
on = ARGC > 1 ? " on ".ARG2 : ""
variants = "elu relu leaky_relu:0.1"
names = "'ELU' 'ReLU' 'LeakyReLU 0.1'"
stats log using 2 every ::1 nooutput
epochs = STATS_max
step = epochs > 10 ? 5 : 1
of(name, column) = strcol(1) eq name ? column : NaN

set linetype 1 linecolor rgb "#0072B2" linewidth 2.5 pointtype 7 pointsize 0.5
set linetype 2 linecolor rgb "#D55E00" linewidth 2.5 pointtype 5 pointsize 0.5
set linetype 3 linecolor rgb "#009E73" linewidth 2.5 pointtype 9 pointsize 0.6

do for [kind in "svg png"] {
  if (kind eq "svg") {
    set terminal svg size 1000,440 font "sans-serif,14" background "white"
  } else {
    set terminal pngcairo size 2000,880 font "sans,24" linewidth 2
  }
  set output run."/elu_8x128.".kind
  set multiplot layout 1,2 title "784-128×8-10".on.": plain SGD at 0.01, batches of 64, He initialisation"
  set xlabel "epoch"
  set xrange [0:epochs + 1]
  set xtics step
  set grid linecolor rgb "#cccccc" linewidth 0.7
  set border linecolor rgb "#666666"
  set datafile missing NaN

  set title "Training loss"
  set ylabel "cross-entropy, mean over the epoch"
  set logscale y
  set format y "%g"
  set autoscale y
  set key top right
  plot for [i = 1:words(names)] log using 2:(of(word(variants, i), $3)) every ::1 with linespoints linetype i \
       title word(names, i)

  set title "Median activation of the hidden units"
  set ylabel "median over units of the mean activation"
  unset logscale y
  set yrange [0:*]
  set key bottom right
  plot for [i = 1:words(names)] log using 2:(of(word(variants, i), $5)) every ::1 with linespoints linetype i \
       title word(names, i)
  unset multiplot
}
