# %% [markdown]
# # Exercises 03 · Tune it
#
# They go with [notebook 03](../../notebooks/03_tune_tta.ipynb). Run the first cell, then fill the holes marked `# your answer` and run their cells: a check tells whether an answer is right and, if not, what to think about. Checks call your functions with fresh random numbers, so run them as often as you like. No exercise needs another one.

# %%
import sys

sys.path.insert(0, "../..")  # the workbook's folder, in which course/ lies

import numpy as np
from course import prepared
from course.checks import check

sample = prepared.load()
print(sample.about, "|", len(sample.labels), "validation images")

# %% [markdown] exercise="equally_good" objective="choose" step="read" minutes=4
# ## 1. Which one does the rule choose?
#
# Five policies were compared on the same images. *Behind* is how far each lies behind the best, *error* the standard error of that distance, both in points.
#
# | policy | passes | behind | error |
# |---|---|---|---|
# | A | 10 | 0.0 | 0.0 |
# | B | 6 | 0.3 | 0.8 |
# | C | 5 | 0.7 | 0.9 |
# | D | 2 | 0.9 | 0.7 |
# | E | 1 | 3.0 | 1.1 |
#
# The one-standard-error rule takes the cheapest of those that lie behind the best by no more than one standard error. Answer with a letter.
#
# <details><summary>Hint</summary>First strike out all that lie too far behind. Then look at the passes of those that are left, and at nothing else.</details>

# %% exercise="equally_good"
# solution
equally_good = "C"
# end of solution

check("equally_good", equally_good)

# %% tags=["wrong"]
# A is the most accurate
equally_good = "A"

# %% tags=["wrong"]
# B is close, but not the cheapest
equally_good = "B"

# %% tags=["wrong"]
# D lies behind by more than its error
equally_good = "D"

# %% tags=["wrong"]
# E is the cheapest of all
equally_good = "E"

# %% tags=["also-right"]
equally_good = "c"

# %% [markdown] exercise="close_ones" objective="choose" step="complete" minutes=8
# ## 2. Who counts as equally good?
#
# `right` holds, for the name of each policy, whether its answers are right, a bool for each image; all policies answered the same images. Complete the function: it returns the names of the policies that lie behind the most accurate one by no more than one standard error of the difference (`ddof=1`). The best itself is among them.
#
# <details><summary>Hint</summary>The difference of each image is +1, 0 or -1. Its mean and the standard error of that mean are all you need.</details>


# %% exercise="close_ones"
def close_ones(right):
    """Return the names of the policies within one standard error of the best, as a set."""
    best = max(right, key=lambda name: right[name].mean())
    found = set()
    for name in right:
        difference = right[best].astype(int) - right[name]
        # solution
        error = difference.std(ddof=1) / np.sqrt(len(difference))
        if difference.mean() <= error:
            found.add(name)
        # end of solution
    return found


check("close_ones", close_ones)


# %% tags=["wrong"]
# a mean strays less than single images do
def close_ones(right):
    best = max(right, key=lambda name: right[name].mean())
    differences = {name: right[best].astype(int) - r for name, r in right.items()}
    return {name for name, d in differences.items() if d.mean() <= d.std(ddof=1)}


# %% tags=["wrong"]
# all answered the same images
def close_ones(right):
    best = max(right.values(), key=lambda r: r.mean())
    n = len(best)
    return {
        name
        for name, r in right.items()
        if best.mean() - r.mean() <= np.sqrt(best.var(ddof=1) / n + r.var(ddof=1) / n)
    }


# %% tags=["also-right"]
def close_ones(right):
    names = sorted(right, key=lambda name: right[name].sum())
    found = [names[-1]]
    for name in names[:-1]:
        d = right[names[-1]] * 1.0 - right[name] * 1.0
        if np.square(d.mean()) <= d.var(ddof=1) / d.size:
            found.append(name)
    return found


# %% [markdown] exercise="choose" objective="weigh" step="write" minutes=10
# ## 3. Choose by the rule
#
# Write the whole rule. `right` is that of the exercise before, `passes` holds the price of each policy by its name. Among the policies that lie behind the most accurate one by no more than one standard error of the paired difference, the function returns the name of the cheapest one. (No two cost the same here.)
#
# <details><summary>Hint</summary>Three steps, three lines: the best; those that are close to it; the cheapest of these.</details>


# %% exercise="choose"
def choose(right, passes):
    """Return the name of the policy that the one-standard-error rule chooses."""
    # solution
    best = max(right, key=lambda name: right[name].mean())
    close = []
    for name in right:
        difference = right[best].astype(int) - right[name]
        if difference.mean() <= difference.std(ddof=1) / np.sqrt(len(difference)):
            close.append(name)
    return min(close, key=lambda name: passes[name])
    # end of solution


check("choose", choose)


# %% tags=["wrong"]
# that is the most accurate one, whatever it costs
def choose(right, passes):
    return max(right, key=lambda name: right[name].mean())


# %% tags=["wrong"]
# that is the cheapest of all, however bad
def choose(right, passes):
    return min(passes, key=passes.get)


# %% tags=["wrong"]
# that one lies behind by more than the error of the differences
def choose(right, passes):
    best = max(right.values(), key=lambda r: r.mean())
    error = {n: np.sqrt((best.var() + r.var()) / len(best)) for n, r in right.items()}
    close = [n for n, r in right.items() if best.mean() - r.mean() <= error[n]]
    return min(close, key=passes.get)


# %% tags=["also-right"]
def choose(right, passes):
    best = max(right.values(), key=np.mean)
    for name in sorted(right, key=passes.get):
        difference = best * 1.0 - right[name]
        if difference.mean() <= (difference.var(ddof=1) / len(best)) ** 0.5:
            return name


# %% [markdown] exercise="report" objective="choose" step="write" minutes=8
# ## 4. Choose here, report there
#
# `outcomes` says which answers are right, bool (policies, images). `choosing` and `fresh` are numbers of images, and share none. Write a function that takes the policy with the most right answers on the `choosing` images and returns two numbers: the accuracy of this policy on the images that chose it, and on the fresh ones.
#
# <details><summary>Hint</summary>There is one `argmax` in the solution. On which images?</details>


# %% exercise="report"
def report(outcomes, choosing, fresh):
    """Return the winner's accuracy on the images that chose it, and on fresh ones."""
    # solution
    winner = outcomes[:, choosing].mean(axis=1).argmax()
    return outcomes[winner, choosing].mean(), outcomes[winner, fresh].mean()
    # end of solution


check("report", report)


# %% tags=["wrong"]
# the fresh images have chosen a winner of their own
def report(outcomes, choosing, fresh):
    return outcomes[:, choosing].mean(axis=1).max(), outcomes[:, fresh].mean(axis=1).max()


# %% tags=["wrong"]
# the fresh images took part in the choice
def report(outcomes, choosing, fresh):
    both = np.concatenate([choosing, fresh])
    winner = outcomes[:, both].mean(axis=1).argmax()
    return outcomes[winner, choosing].mean(), outcomes[winner, fresh].mean()


# %% tags=["wrong"]
# chosen on the fresh images
def report(outcomes, choosing, fresh):
    winner = outcomes[:, fresh].mean(axis=1).argmax()
    return outcomes[winner, choosing].mean(), outcomes[winner, fresh].mean()


# %% tags=["also-right"]
def report(outcomes, choosing, fresh):
    counts = [sum(row[choosing]) for row in outcomes]
    row = outcomes[counts.index(max(counts))]
    return [max(counts) / len(choosing), np.average(row[fresh])]


# %% [markdown] exercise="by_copies" objective="sweep" step="complete" minutes=6
# ## 5. One series for every number of copies
#
# `series` holds what a network says of copy after copy, (copies, images, classes). Complete the function: it returns the accuracy of the mean of the first `k` copies, for `k` = 1, 2 … to all of them.
#
# <details><summary>Hint</summary>Average probabilities first and count right answers then. The other order answers another question.</details>


# %% exercise="by_copies"
def by_copies(labels, series):
    """Return the accuracy with the first k copies, one number for each k."""
    accuracies = []
    for k in range(1, len(series) + 1):
        # solution
        average = series[:k].mean(axis=0)
        accuracies.append(np.mean(average.argmax(axis=1) == labels))
        # end of solution
    return accuracies


check("by_copies", by_copies)


# %% tags=["wrong"]
# that is the accuracy of copy number k alone
def by_copies(labels, series):
    return [np.mean(one.argmax(axis=1) == labels) for one in series]


# %% tags=["wrong"]
# accuracies are averaged, not probabilities
def by_copies(labels, series):
    alone = [np.mean(one.argmax(axis=1) == labels) for one in series]
    return [np.mean(alone[:k]) for k in range(1, len(series) + 1)]


# %% tags=["also-right"]
def by_copies(labels, series):
    return (series.cumsum(axis=0).argmax(axis=2) == labels).mean(axis=1)


# %% [markdown] exercise="geometric_mean" objective="sweep" step="write" minutes=8
# ## 6. Average the logarithms
#
# Write a function that takes `probs` (views, images, classes), all above zero, and returns their geometric mean over the views, (images, classes), made to sum to one for each image.
#
# <details><summary>Hint</summary>Mean of logarithms, exponential, and then a division: by what, along which axis, so that rows sum to one?</details>


# %% exercise="geometric_mean"
def geometric_mean(probs):
    """Return the normalised geometric mean of the views, (images, classes)."""
    # solution
    means = np.exp(np.log(probs).mean(axis=0))
    return means / means.sum(axis=1, keepdims=True)
    # end of solution


check("geometric_mean", geometric_mean)


# %% tags=["wrong"]
# the rows should sum to one
def geometric_mean(probs):
    return np.exp(np.log(probs).mean(axis=0))


# %% tags=["wrong"]
# that is the mean of the probabilities
def geometric_mean(probs):
    return probs.mean(axis=0)


# %% tags=["wrong"]
# a product without the root
def geometric_mean(probs):
    product = probs.prod(axis=0)
    return product / product.sum(axis=1, keepdims=True)


# %% tags=["also-right"]
def geometric_mean(probs):
    logs = np.log(probs).mean(axis=0)
    weights = np.exp(logs - logs.max(axis=1)[:, None])
    return (weights.T / weights.sum(axis=1)).T


# %% [markdown] exercise="in_folder_order" objective="apply" step="write" minutes=8
# ## 7. Which column is which class?
#
# The columns of `probs` (images, classes) are in the order of `network_names`. The labels of a folder number the classes in the order of `folder_names`, which holds the same names. Write a function that returns the probabilities with their columns in the folder's order.
#
# <details><summary>Hint</summary>Take the first of the folder's names. In which of the network's columns does it stand?</details>


# %% exercise="in_folder_order"
def in_folder_order(probs, network_names, folder_names):
    """Return probabilities with a column for each folder, in the folders' order."""
    # solution
    order = [network_names.index(name) for name in folder_names]
    return probs[:, order]
    # end of solution


check("in_folder_order", in_folder_order)


# %% tags=["wrong"]
# the other way round
def in_folder_order(probs, network_names, folder_names):
    order = [folder_names.index(name) for name in network_names]
    return probs[:, order]


# %% tags=["wrong"]
# the columns stand as they did
def in_folder_order(probs, network_names, folder_names):
    return probs


# %% tags=["also-right"]
def in_folder_order(probs, network_names, folder_names):
    result = np.empty_like(probs)
    for column, name in enumerate(network_names):
        result[:, folder_names.index(name)] = probs[:, column]
    return result
